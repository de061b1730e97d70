// What people do at the keyboard, in the words that stand on the pages.
import assert from 'node:assert/strict';
import { Authenticator } from './hospital.mjs';

const button = (page, name) => page.getByRole('button', { name, exact: true });

/** Opens a set-up or invitation link and chooses a password. */
export async function acceptLink(person, link, { email, name, password }, look) {
  await person.go(link);
  if (look) await person.look(look);
  if (email) {
    await person.page.getByLabel('Email').fill(email);
    await person.page.getByLabel('Your name').fill(name);
  }
  await person.page.getByLabel('Password', { exact: true }).fill(password);
  await person.page.getByLabel('Password again').fill(password);
  await person.page.locator('main form button[type=submit]').click();
  await person.page.waitForURL('**/sign-in');
}

export async function password(person, email, password) {
  await person.go('/sign-in');
  await person.page.getByLabel('Email').fill(email);
  await person.page.getByLabel('Password').fill(password);
  await button(person.page, 'Continue').click();
}

/** First sign-in: password, authenticator app, recovery codes. */
export async function firstSignIn(person, email, secret, look) {
  await password(person, email, secret);
  await person.page.waitForURL('**/sign-in/enrol');
  if (look) await person.look(`${look}-enrol`);
  person.app = new Authenticator(await person.page.locator('#totp-key').innerText());
  await person.page.getByLabel('6-digit code').fill(await person.app.code());
  await button(person.page, 'Confirm and sign in').click();
  const codes = person.page.locator('#recovery-codes li');
  await codes.first().waitFor();
  if (look) await person.look(`${look}-recovery-codes`);
  person.recoveryCodes = await codes.allInnerTexts();
  assert.equal(person.recoveryCodes.length, 10);
  await person.page.getByRole('link', { name: 'I have kept them' }).click();
}

export async function signIn(person, email, secret, look) {
  await password(person, email, secret);
  await person.page.waitForURL('**/sign-in/code');
  if (look) await person.look(look);
  await person.page.getByLabel('Code from your authenticator app').fill(await person.app.code());
  await button(person.page, 'Sign in').click();
  await person.page.waitForURL(/\/(my\/access)?$/);
}

/** A code of the last five minutes, where the page asks for one. */
export async function confirm(person, look) {
  await person.page.waitForURL('**/security/confirm**');
  if (look) await person.look(look);
  await person.page.getByLabel('Code from your authenticator app').fill(await person.app.code());
  await button(person.page, 'Confirm').click();
}

export async function invite(administrator, { email, name, role }, look) {
  await administrator.go('/accounts/invite');
  if (look) await administrator.look(look);
  await administrator.page.getByLabel('Email').fill(email);
  await administrator.page.getByLabel('Name').fill(name);
  await administrator.page.getByLabel('Role').selectOption(role);
  await button(administrator.page, 'Make the invitation').click();
  const link = await administrator.page.locator('#invitation-link').innerText();
  if (look) await administrator.look(`${look}-link`);
  return link;
}

/** Fills the registration form of a patient. */
export async function patientForm(page, patient) {
  await page.getByLabel('MRN').fill(patient.mrn);
  await page.getByLabel('Family name').fill(patient.family);
  await page.getByLabel('Given name').fill(patient.given);
  const born = page.getByRole('group', { name: 'Birth date' });
  for (const [part, value] of Object.entries(patient.born)) await born.getByLabel(part).fill(value);
  await page.getByRole('group', { name: 'Sex' }).getByLabel(patient.sex, { exact: true }).check();
  await page.getByRole('group', { name: 'Allergies' }).getByLabel(patient.allergies, { exact: true }).check();
}

export async function recordForm(page, { type, title, text }) {
  if (type) await page.getByLabel('Type').selectOption({ label: type });
  await page.getByLabel('Title').fill(title);
  await page.getByLabel('Text').fill(text);
}

/** Reloads until the entry lies under a seal (the log is sealed every second). */
export async function sealed(page, words = 'Verified') {
  const badge = page.locator('.tag', { hasText: words }).first();
  for (let tries = 0; tries < 20 && !(await badge.isVisible()); tries += 1) {
    await new Promise(resolve => setTimeout(resolve, 500));
    await page.reload();
  }
  assert.ok(await badge.isVisible(), `no badge says ${words}`);
}

export { button };
