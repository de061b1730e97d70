// Small comforts only: every page works without this file. No markup is made from strings here, so
// the page's Trusted Types policy has nothing to allow.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Dialog buttons (command/commandfor) in browsers that do not know them yet.
if (!('commandForElement' in HTMLButtonElement.prototype)) {
  document.addEventListener('click', event => {
    const button = event.target.closest('button[commandfor]');
    const dialog = button && document.getElementById(button.getAttribute('commandfor'));
    if (!dialog) return;
    if (button.getAttribute('command') === 'show-modal') dialog.showModal(); else dialog.close();
  });
}
all('dialog[data-autoshow]').forEach(dialog => dialog.showModal());

// After a failed submit the summary has the focus; its links go to the field itself.
one('[data-focus]')?.focus({ preventScroll: true });
all('.errsum a').forEach(link => link.addEventListener('click', event => {
  const field = document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  const target = field.matches('fieldset') ? one('input, select, textarea', field) ?? field : field;
  target.focus();
  target.scrollIntoView({ block: 'center' });
}));

// Command palette: Ctrl-K, arrows, Enter, Esc (the dialog's own).
const palette = one('#palette');
if (palette) {
  const input = one('#palq');
  const options = () => all('[role=option]', palette).filter(option => !option.hidden);
  const select = chosen => {
    all('[role=option]', palette).forEach(option => option.setAttribute('aria-selected', String(option === chosen)));
    if (!chosen) return input.removeAttribute('aria-activedescendant');
    input.setAttribute('aria-activedescendant', chosen.id);
    chosen.scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('keydown', event => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'k') return;
    event.preventDefault();
    if (palette.open) palette.close(); else palette.showModal();
  });
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase();
    all('[role=option]', palette).forEach(option => { option.hidden = !option.textContent.toLowerCase().includes(wanted); });
    all('[role=group]', palette).forEach(group => { group.hidden = !all('[role=option]', group).some(option => !option.hidden); });
    select(options()[0]);
  });
  input.addEventListener('keydown', event => {
    const shown = options();
    const at = shown.findIndex(option => option.getAttribute('aria-selected') === 'true');
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) {
      event.preventDefault();
      select(shown[(at + step + shown.length) % shown.length]);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (shown[at]) location.href = shown[at].dataset.href;
    }
  });
  palette.addEventListener('click', event => {
    const option = event.target.closest('[role=option]');
    if (option) location.href = option.dataset.href;
    if (event.target === palette) palette.close();
  });
}

// NIHSS running total while scoring; the server computes it again.
const scale = one('[data-nihss]');
if (scale) {
  const total = one('.total output');
  const scored = one('.total .muted');
  const items = new Set(all('input[type=radio]', scale).map(input => input.name)).size;
  const show = () => {
    const checked = all('input:checked', scale);
    // "UN" (untestable) counts as scored and adds nothing.
    if (total) total.value = checked.reduce((sum, input) => sum + (Number(input.value) || 0), 0);
    if (scored) scored.textContent = `of 42, ${checked.length} of ${items} items scored`;
  };
  scale.addEventListener('change', show);
  if (one('input:checked', scale)) show();
}

// Minutes and seconds since arrival, for people who did not ask for less motion.
const clock = one('[data-clock]');
if (clock && !matchMedia('(prefers-reduced-motion: reduce)').matches) {
  const [minutes, seconds] = clock.dataset.clock.split(':').map(Number);
  const started = performance.now() - (minutes * 60 + seconds) * 1000;
  setInterval(() => {
    const passed = Math.floor((performance.now() - started) / 1000);
    clock.textContent = [Math.floor(passed / 60), passed % 60].map(part => String(part).padStart(2, '0')).join(':');
  }, 1000);
}

// The session ends by itself. Two minutes before, say so and let one click keep it; at the end send what
// was typed to the server and leave nothing on the screen. Other tabs may have used the session
// meanwhile, so the server is asked how long it still lives, which is no use of it.
const idle = one('#idle');
if (idle) {
  const [lasts, warning] = ['idle', 'warning'].map(name => Number(idle.parentElement.dataset[name]));
  const typed = new Set();
  document.addEventListener('input', ({ target: { form } }) => {
    if (form?.matches('[method=post]:not([enctype], :has([type=password]))')) typed.add(form);
  });
  let timer;
  const later = (ms, then) => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  };
  const lock = async () => {
    one('main').hidden = true;
    let kept = false;
    try {
      for (const form of typed) {
        const body = new URLSearchParams(new FormData(form));
        // A field may be called "action".
        body.append('to', new URL(form.getAttribute('action'), location).pathname);
        const { status } = await fetch('/drafts', { method: 'POST', body, redirect: 'manual' });
        if (status >= 500) throw new Error('out of reach');
        kept ||= status === 204;
        typed.delete(form);
      }
    } catch {
      return later(10_000, lock);
    }
    if (kept) location.replace('/drafts'); else location.reload();
  };
  const look = async () => {
    let left;
    try {
      ({ left_ms: left } = await (await fetch('/session/left')).json());
    } catch {
      return later(10_000, look);
    }
    idle.hidden = left > warning;
    if (left <= 0) lock(); else later(left > warning ? left - warning : left + 500, look);
  };
  later(lasts - warning, look);
  one('button', idle).addEventListener('click', async () => {
    await fetch('/security/confirm').catch(() => {});
    look();
  });
}

// Emergency access counts down.
all('[data-left]').forEach(left => {
  const ends = performance.now() + Number(left.dataset.left);
  const show = () => { left.textContent = ` (${Math.max(0, Math.ceil((ends - performance.now()) / 60000))} min left)`; };
  show();
  setInterval(show, 10000);
});

all('[data-print]').forEach(button => button.addEventListener('click', () => print()));

// The account menu closes on a click outside and on Esc.
document.addEventListener('click', event => {
  all('.usermenu[open]').forEach(menu => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  all('.usermenu[open]').forEach(menu => { menu.open = false; one('summary', menu).focus(); });
});

// A table wider than its box becomes a labelled scroll region that the keyboard can reach; only then.
const wide = new ResizeObserver(entries => entries.forEach(({ target: box }) => {
  if (box.scrollWidth > box.clientWidth + 1) {
    box.tabIndex = 0;
    box.setAttribute('role', 'region');
    box.setAttribute('aria-label', `${one('caption', box)?.textContent ?? 'Table'}, scrolls sideways`);
  } else {
    ['tabindex', 'role', 'aria-label'].forEach(name => box.removeAttribute(name));
  }
}));
all('.tablewrap').forEach(box => wide.observe(box));

// Passkeys: the question comes fresh from the server when the button is pressed, and the answer goes
// back in the form's hidden field. Browsers that cannot read the question never see the button.
const known = window.PublicKeyCredential;
const words = {
  NotAllowedError: 'No passkey was used. Try again, or choose another way.',
  InvalidStateError: 'This device has a passkey for this account already.',
};
if (known?.parseRequestOptionsFromJSON && known.parseCreationOptionsFromJSON && known.prototype.toJSON) {
  all('form[data-passkey]').forEach(form => {
    form.hidden = false;
    form.addEventListener('submit', async event => {
      event.preventDefault();
      // Without a name nothing is made on the device: the server says what is missing.
      if (form.elements.name?.value.trim() === '') return form.submit();
      const [button, told] = [one('button', form), one('[data-told]', form)];
      button.disabled = true;
      told.hidden = true;
      try {
        const asked = await fetch(form.dataset.ask, { headers: { accept: 'application/json' } });
        // Signed out, no longer confirmed, or not possible now: the server's page says which.
        if (asked.redirected || !asked.ok) return form.submit();
        const { publicKey } = await asked.json();
        const credential = form.dataset.passkey === 'create'
          ? await navigator.credentials.create({ publicKey: known.parseCreationOptionsFromJSON(publicKey) })
          : await navigator.credentials.get({ publicKey: known.parseRequestOptionsFromJSON(publicKey) });
        form.elements.answer.value = JSON.stringify(credential.toJSON());
        form.submit();
      } catch (error) {
        told.textContent = words[error.name] ?? 'The passkey could not be used. Try again, or choose another way.';
        told.hidden = false;
      } finally {
        button.disabled = false;
      }
    });
  });
}
