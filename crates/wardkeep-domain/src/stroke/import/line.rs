//! Splits one line of a CSV into its cells without copying. Quoted cells (RFC 4180) are taken as
//! they stand; no cell of the layout can hold a quote or a line break, so a doubled quote or an
//! open one makes the line malformed.

/// More cells than any line of the layout has; the rest is only counted.
const CELLS_MAX: usize = 24;

pub(super) struct Cells<'a> {
    cells: [&'a str; CELLS_MAX],
    len: usize,
}

impl<'a> Cells<'a> {
    /// `None` when quotes do not close or have text beside them.
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        let mut cells = Self { cells: [""; CELLS_MAX], len: 0 };
        loop {
            let (cell, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
                Some(quoted) => {
                    let (cell, after) = quoted.split_once('"')?;
                    let after = after.trim_start_matches(' ');
                    if !(after.is_empty() || after.starts_with(',')) {
                        return None;
                    }
                    (cell, after.strip_prefix(','))
                }
                None => rest.split_once(',').map_or((rest, None), |(cell, after)| (cell, Some(after))),
            };
            if cell.contains('"') {
                return None;
            }
            if let Some(slot) = cells.cells.get_mut(cells.len) {
                *slot = cell;
            }
            cells.len += 1;
            match after {
                Some(after) => rest = after,
                None => return Some(cells),
            }
        }
    }
    pub(super) fn len(&self) -> usize {
        self.len
    }
    pub(super) fn get(&self, place: usize) -> Option<&'a str> {
        self.cells.get(place).copied()
    }
    /// The cells that were kept, with an empty one for each beyond the bound.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        (0..self.len).map(|place| self.get(place).unwrap_or_default())
    }
}
