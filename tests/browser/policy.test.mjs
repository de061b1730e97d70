// The rules as pages: a hospital adds one of its own, and the privacy officer asks why not.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, Person } from './lib/browser.mjs';
import { Hospital } from './lib/hospital.mjs';
import { acceptLink, button, firstSignIn } from './lib/people.mjs';

const RULE = `@id("site-night") @reason("Voiding waits for the day.")
forbid (principal is Staff, action == Action::"void_record", resource);`;
const PASSWORD = 'silver kettle maps stars';

let hospital;
let browser;

before(async () => {
  hospital = await Hospital.init();
  await hospital.stop();
  mkdirSync(join(hospital.data, 'policies'), { mode: 0o700 });
  writeFileSync(join(hospital.data, 'policies', 'night.cedar'), RULE, { mode: 0o600 });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await hospital?.stop();
  hospital?.remove();
});

/** Invites somebody on the command line; what comes back signs them in. */
function invited(who, role) {
  const { link } = hospital.command('user', 'invite', `${who}@example.org`, '--name', `Person ${who}`, '--role', role, '--origin', hospital.origin);
  return async () => {
    const person = await Person.at(browser, hospital.origin);
    await acceptLink(person, link, { password: PASSWORD });
    await firstSignIn(person, `${who}@example.org`, PASSWORD);
    return person;
  };
}

test('the rules are read by file and role, and a question is answered with what would turn it', async () => {
  const privacy = invited('mara', 'privacy_officer');
  const administrator = invited('ines', 'administrator');
  hospital.command('user', 'invite', 'ana@example.org', '--name', 'Dr Ana Moreau', '--role', 'doctor');
  await hospital.serve();
  const officer = await privacy();
  await officer.page.getByRole('link', { name: 'Policy' }).first().click();
  await officer.page.getByRole('heading', { name: 'night.cedar' }).waitFor();
  await officer.look('policy');
  await officer.page.getByLabel('Role').selectOption('nurse');
  await button(officer.page, 'Apply').click();
  await officer.page.waitForURL('**/policy?role=nurse');
  await officer.page.getByRole('link', { name: 'Why, and why not' }).click();
  await officer.look('policy-explain');
  await button(officer.page, 'Ask').click();
  await officer.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await officer.look('policy-explain-errors');
  await officer.page.getByLabel('Anybody of this role').selectOption('nurse');
  await officer.page.getByLabel('What the person wants to do').selectOption('amend_record');
  await officer.page.getByLabel("The patient is in this person's care.").check();
  await button(officer.page, 'Ask').click();
  await officer.page.getByText('nurse-own-entries').waitFor();
  assert.equal(new URL(officer.page.url()).search, '', 'nothing that was asked is in the address');
  await officer.look('policy-explain-answer');
  await officer.page.getByLabel('Anybody of this role').selectOption('');
  await officer.page.getByLabel('Or one person').fill('ana@example.org');
  await officer.page.getByLabel('What the person wants to do').selectOption('void_record');
  await button(officer.page, 'Ask').click();
  await officer.page.getByText('This account is not active.').waitFor();
  // This form has a field called "action": when the time is up, it goes like any other page.
  await officer.page.clock.install();
  await officer.page.route('**/session/left', route => route.fulfill({ json: { left_ms: 0 } }), { times: 1 });
  await officer.go('/policy/explain');
  await officer.page.getByLabel('Or one person').fill('ana');
  const gone = officer.page.waitForEvent('load');
  await officer.page.clock.fastForward('13:01');
  await gone;
  assert.equal(await officer.page.getByLabel('Or one person').inputValue(), '');
  await officer.leave();
  const admin = await administrator();
  await admin.go('/policy/explain');
  assert.equal(await admin.page.getByLabel('Patient', { exact: true }).count(), 0);
  await admin.go('/health');
  await admin.page.getByText('1 rule in 1 file.').waitFor();
  await admin.leave();
});
