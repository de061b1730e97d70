//! Uploaded files: what may come in and what is known of it.

use serde::{Deserialize, Serialize};

use crate::date::Moment;
use crate::record::Mark;
use crate::{AccountId, DocumentId, FieldError, PatientId, field};

/// Largest file in bytes: 100 MiB.
pub const FILE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Most documents of one patient.
pub const DOCUMENTS_MAX: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    Pdf,
    Jpeg,
    Png,
    Tiff,
    Dicom,
    Text,
}

impl FileType {
    pub const ALL: [FileType; 6] = [FileType::Pdf, FileType::Jpeg, FileType::Png, FileType::Tiff, FileType::Dicom, FileType::Text];
    /// The fixed content type it is served with.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            FileType::Pdf => "application/pdf",
            FileType::Jpeg => "image/jpeg",
            FileType::Png => "image/png",
            FileType::Tiff => "image/tiff",
            FileType::Dicom => "application/dicom",
            FileType::Text => "text/plain; charset=utf-8",
        }
    }
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            FileType::Pdf => "PDF",
            FileType::Jpeg => "JPEG image",
            FileType::Png => "PNG image",
            FileType::Tiff => "TIFF image",
            FileType::Dicom => "DICOM",
            FileType::Text => "Plain text",
        }
    }
    #[must_use]
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            FileType::Pdf => &["pdf"],
            FileType::Jpeg => &["jpg", "jpeg"],
            FileType::Png => &["png"],
            FileType::Tiff => &["tif", "tiff"],
            FileType::Dicom => &["dcm", "dicom"],
            FileType::Text => &["txt"],
        }
    }
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        Self::ALL.into_iter().find(|t| t.extensions().contains(&extension.as_str()))
    }
}

/// What a person says of a file that is to be filed, as typed.
#[derive(Clone, Default)]
pub struct DocumentForm {
    pub file_name: String,
    /// The media type that the client names; empty when it names none.
    pub declared_type: String,
    pub description: String,
    /// A [`Mark`]'s code; empty for none.
    pub mark: String,
}

impl DocumentForm {
    /// Of a file that is not marked.
    #[must_use]
    pub fn new(file_name: &str, declared_type: &str, description: &str) -> Self {
        let [file_name, declared_type, description] = [file_name, declared_type, description].map(str::to_owned);
        Self { file_name, declared_type, description, mark: String::new() }
    }
}

/// A file name for showing and for `Content-Disposition`; never a path.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(String);

impl std::fmt::Debug for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileName(…)")
    }
}

impl FileName {
    /// Keeps the last path component; needs an allowed extension.
    ///
    /// # Errors
    /// When the name is empty, too long or of a type that is not taken.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = field::text("file", last, 1, 200, false)?;
        if name.starts_with('.') || name.contains(['"', '<', '>', ':', '|', '?', '*']) {
            return Err(FieldError::new("file", "Rename the file: its name holds characters that are not allowed."));
        }
        let name = Self(name);
        if name.file_type().is_none() {
            return Err(FieldError::new("file", "Choose a PDF, JPEG, PNG, TIFF, DICOM or plain text file."));
        }
        Ok(name)
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    #[must_use]
    pub fn file_type(&self) -> Option<FileType> {
        self.0.rsplit_once('.').and_then(|(_, extension)| FileType::from_extension(extension))
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    Filed,
    Voided { reason: String },
}

/// What is sealed about a file, beside its sealed chunks.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub id: DocumentId,
    pub patient: PatientId,
    pub name: FileName,
    pub file_type: FileType,
    pub description: String,
    /// Needs a permission of its own to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    pub bytes: u64,
    /// SHA-256 of the content, hex.
    pub sha256: String,
    /// SHA-256 of the sealed blob, hex; what the log names.
    pub sealed_sha256: String,
    pub sealed_bytes: u64,
    pub segments: u32,
    pub uploaded_by: AccountId,
    pub uploaded_at: Moment,
    pub state: DocumentState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentRefusal {
    #[error("this document is voided already")]
    Voided,
}

impl Document {
    /// The next version, marked as void; the file stays readable.
    ///
    /// # Errors
    /// When the document is voided already.
    pub fn void(&self, reason: String) -> Result<Self, DocumentRefusal> {
        match self.state {
            DocumentState::Filed => Ok(Self { state: DocumentState::Voided { reason }, ..self.clone() }),
            DocumentState::Voided { .. } => Err(DocumentRefusal::Voided),
        }
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({})", self.id)
    }
}
