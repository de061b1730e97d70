// A hospital's first day, from the set-up link to the verified log, each step by the person who
// does it. The steps build on each other and run in order.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { launch, Person } from './lib/browser.mjs';
import { Hospital } from './lib/hospital.mjs';
import { exportByTwo, makeServiceAccount } from './lib/house.mjs';
import { acceptLink, button, confirm, firstSignIn, invite, password, patientForm, recordForm, sealed, signIn } from './lib/people.mjs';
import { steps } from './lib/steps.mjs';

const STAFF = {
  doctor: { email: 'ana.moreau@example.org', name: 'Dr Ana Moreau', role: 'doctor', password: 'velvet orchard counts rain' },
  nurse: { email: 'nila.patel@example.org', name: 'Nila Patel', role: 'nurse', password: 'amber river folds maps' },
  registrar: { email: 'tomas.berg@example.org', name: 'Tomas Berg', role: 'registrar', password: 'quiet engine paints hills' },
  privacy: { email: 'mara.lind@example.org', name: 'Mara Lind', role: 'privacy_officer', password: 'silver kettle maps stars' },
};
const ADMINISTRATOR = { email: 'ines.navarro@example.org', name: 'Ines Navarro', password: 'copper lantern drifts north' };
const PATIENT = { email: 'grace.okafor@example.org', name: 'Grace Okafor', password: 'orange ladder meets tide' };
const GRACE = { mrn: '704 118 2293', family: 'Okafor', given: 'Grace', born: { Day: '14', Month: '3', Year: '1958' }, sex: 'Female', allergies: 'No known allergies' };

let hospital;
let browser;
let chart;
let record;
const people = {};

const step = steps();

before(async () => {
  hospital = await Hospital.init();
  browser = await launch();
  const wanted = ['administrator', 'doctor', 'nurse', 'registrar', 'privacy', 'patient', 'stranger'];
  for (const who of wanted) people[who] = await Person.at(browser, hospital.origin);
});
after(async () => {
  await browser?.close();
  const code = await hospital?.stop();
  if (hospital) {
    assert.equal(code, 0, 'the server ends in order when it is told to');
    hospital.remove();
  }
});

step('the first administrator comes by the set-up link, which works once', async () => {
  const { administrator, stranger } = people;
  await administrator.go('/');
  await administrator.page.waitForURL('**/sign-in');
  await administrator.look('sign-in');
  await acceptLink(administrator, hospital.setupLink, ADMINISTRATOR, 'setup');
  assert.match(await administrator.page.locator('.note.ok').innerText(), /account is ready/);
  await firstSignIn(administrator, ADMINISTRATOR.email, ADMINISTRATOR.password, 'administrator');
  await administrator.page.getByRole('heading', { name: 'Overview' }).waitFor();
  await administrator.look('administrator-home');
  const again = await stranger.go(hospital.setupLink);
  assert.equal(again.status(), 404);
  await stranger.look('error-404');
});

step('the administrator invites staff, who choose passwords and set up their second factor', async () => {
  const { administrator } = people;
  for (const [who, person] of Object.entries(STAFF)) {
    const first = who === 'doctor';
    const link = await invite(administrator, person, first ? 'invite' : undefined);
    await acceptLink(people[who], link, { password: person.password }, first ? 'invitation' : undefined);
    await firstSignIn(people[who], person.email, person.password);
  }
  await administrator.go('/accounts');
  await administrator.look('accounts');
  assert.equal(await administrator.page.getByRole('row').filter({ hasText: 'example.org' }).count(), 5);
  await administrator.go('/health');
  await administrator.look('health');
});

step('the administrator makes a service account, whose secret is shown once', async () => {
  await makeServiceAccount(people.administrator, hospital);
});

step('the doctor registers a patient; a form with errors comes back with its values', async () => {
  const { doctor } = people;
  await doctor.go('/');
  await doctor.look('worklist-empty');
  await doctor.page.getByRole('link', { name: 'New patient' }).click();
  await patientForm(doctor.page, { ...GRACE, mrn: '', born: { Day: '31', Month: '2', Year: '1958' } });
  await button(doctor.page, 'Register the patient').click();
  await doctor.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  assert.match(await doctor.page.title(), /^Error: /);
  assert.equal(await doctor.page.getByLabel('Family name').inputValue(), 'Okafor');
  await doctor.look('patient-form-errors');
  await doctor.page.getByRole('link', { name: 'Enter an MRN of 3 to 32 characters.' }).click();
  assert.equal(await doctor.page.evaluate(() => document.activeElement.id), 'mrn');
  await patientForm(doctor.page, GRACE);
  await button(doctor.page, 'Register the patient').click();
  await doctor.page.waitForURL(/\/patients\/[0-9a-f-]{36}$/);
  chart = new URL(doctor.page.url()).pathname;
  await doctor.look('chart-empty');
  assert.ok(!(await doctor.page.title()).includes('Okafor'), 'no name stands in a title');
});

step('the doctor writes the first record, and its badge turns to Verified', async () => {
  const { doctor } = people;
  await doctor.go(`${chart}/records/new`);
  await doctor.look('record-form');
  await button(doctor.page, 'Sign and file').click();
  await doctor.look('record-form-errors');
  await recordForm(doctor.page, { type: 'Note', title: 'Admission note', text: 'Left-sided weakness since this morning.\nNIHSS 11.' });
  await button(doctor.page, 'Sign and file').click();
  await doctor.page.waitForURL(/\/records\/[0-9a-f-]{36}$/);
  record = new URL(doctor.page.url()).pathname;
  await sealed(doctor.page);
  assert.match(await doctor.page.locator('article .record-body').innerText(), /Left-sided weakness/);
  await doctor.look('record');
  await doctor.go(`${chart}/records`);
  await doctor.look('records');
  await doctor.go('/');
  await doctor.look('worklist');
});

step('a doctor who is not on the care team finds nothing to open', async () => {
  const { nurse } = people;
  const closed = await nurse.go(chart);
  assert.equal(closed.status(), 404);
  await nurse.go('/patients');
  await nurse.look('search');
  await nurse.page.getByLabel('Name').fill('oka');
  await button(nurse.page, 'Search').click();
  await nurse.page.getByText('Not in your care').waitFor();
  await nurse.look('search-found');
  assert.equal(new URL(nurse.page.url()).search, '', 'what was searched for is not in the address');
});

step('the doctor puts the nurse on the care team, who then opens the chart', async () => {
  const { doctor, nurse } = people;
  await doctor.go(`${chart}/care-team`);
  await doctor.page.getByLabel('Work email').fill('nobody@example.org');
  await button(doctor.page, 'Add to the care team').click();
  await doctor.look('care-team-error');
  await doctor.page.getByLabel('Work email').fill(STAFF.nurse.email);
  await button(doctor.page, 'Add to the care team').click();
  await doctor.page.getByText('Nila Patel').waitFor();
  await doctor.look('care-team');
  assert.equal((await nurse.go(chart)).status(), 200);
  await nurse.look('chart-nurse');
});

step('a patient registers and sees nothing until the front desk links the account', async () => {
  const { patient, registrar } = people;
  await patient.go('/register');
  await patient.look('register');
  await patient.page.getByLabel('Email').fill('not an address');
  await patient.page.getByLabel('Your name').fill(PATIENT.name);
  await patient.page.getByLabel('Password', { exact: true }).fill('short');
  await patient.page.getByLabel('Password again').fill('other');
  await button(patient.page, 'Open account').click();
  await patient.look('register-errors');
  await patient.page.getByLabel('Email').fill(PATIENT.email);
  await patient.page.getByLabel('Password', { exact: true }).fill(PATIENT.password);
  await patient.page.getByLabel('Password again').fill(PATIENT.password);
  await button(patient.page, 'Open account').click();
  await patient.page.waitForURL('**/sign-in');
  await firstSignIn(patient, PATIENT.email, PATIENT.password);
  assert.equal((await patient.go(chart)).status(), 404);
  await patient.go('/activate');
  await patient.look('activate');

  await registrar.go('/');
  await registrar.look('desk');
  await registrar.page.getByLabel('MRN').fill('7041182293');
  await button(registrar.page, 'Search').click();
  await registrar.page.getByRole('link', { name: /OKAFOR/ }).click();
  await registrar.page.waitForURL('**/details');
  await registrar.look('details-registrar');
  await registrar.go(`${chart}/account`);
  await registrar.look('account-link');
  await registrar.page.getByLabel("Email of the patient's account").fill(PATIENT.email);
  await button(registrar.page, 'Link the account').click();
  await registrar.page.getByText('The account is linked to this patient.').waitFor();
  assert.equal((await registrar.go(`${chart}/records`)).status(), 403, 'the front desk sees no clinical content');
  await registrar.look('error-403');
});

step('the patient reads the record, adds a document, downloads it, and sees who looked', async () => {
  const { patient } = people;
  await patient.go('/my/record');
  await patient.page.getByText('Admission note').first().waitFor();
  await patient.look('my-record');
  await patient.go('/my/documents');
  await patient.look('my-documents-empty');
  const letter = 'Letter of the eye clinic\n\nBoth eyes are well.\n';
  await patient.page.getByLabel('Description').fill('Eye clinic');
  await patient.page.getByLabel('File', { exact: true }).setInputFiles(hospital.file('letter.html', '<script>alert(1)</script>'));
  await button(patient.page, 'Add').click();
  await patient.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await patient.look('documents-refused');
  await patient.page.getByLabel('File', { exact: true }).setInputFiles(hospital.file('letter.txt', letter));
  await button(patient.page, 'Add').click();
  await patient.page.getByText('The document is filed.').waitFor();
  await patient.look('my-documents');
  const waiting = patient.page.waitForEvent('download');
  await patient.page.getByRole('link', { name: 'Download letter.txt' }).click();
  const download = await waiting;
  assert.equal(download.suggestedFilename(), 'letter.txt');
  assert.equal(readFileSync(await download.path(), 'utf8'), letter);
  await patient.page.getByRole('link', { name: 'letter.txt', exact: true }).click();
  await sealed(patient.page);
  await patient.look('document');
  await patient.go('/my/access');
  await patient.page.getByText('Dr Ana Moreau').first().waitFor();
  await patient.page.getByText('Refused').first().waitFor();
  await patient.look('my-access');
});

step('two people amend at once: the second sees both texts and loses nothing', async () => {
  const { doctor, nurse } = people;
  const other = await doctor.context.newPage();
  await doctor.go(`${record}/amend`);
  await other.goto(`${record}/amend`);
  await doctor.page.getByLabel('Text').fill('Left-sided weakness since six in the morning.\nNIHSS 11.');
  await doctor.page.getByLabel('Why is it amended?').fill('Time of onset from the family');
  await button(doctor.page, 'Sign the new version').click();
  await doctor.page.getByText('The record is amended.').waitFor();
  await other.getByLabel('Text').fill('My own words, written meanwhile.');
  await other.getByLabel('Why is it amended?').fill('Better wording');
  await button(other, 'Sign the new version').click();
  await other.getByText('changed this record while you were writing').waitFor();
  assert.match(await other.locator('.record-body').innerText(), /since six in the morning/);
  assert.equal(await other.getByLabel('Text').inputValue(), 'My own words, written meanwhile.');
  await doctor.page.close();
  doctor.page = other;
  await doctor.look('record-conflict');
  await button(other, 'Sign the new version').click();
  await other.getByText('The record is amended.').waitFor();
  await sealed(other, 'Verified, amended');
  await doctor.look('record-amended');
  assert.equal(await other.locator('details.rec').count(), 2, 'both earlier versions stay readable');
  assert.equal((await nurse.go(`${record}/void`)).status(), 403);
  await nurse.page.getByRole('heading', { name: 'You may not do this' }).waitFor();
});

step('a doctor who is called away while writing finds the text again', async () => {
  const { doctor } = people;
  const first = doctor.page;
  doctor.page = await doctor.context.newPage();
  const { page } = doctor;
  // The browser's clock is moved; what the server says of the session is written here.
  let left = 119_000;
  await page.route('**/session/left', route => route.fulfill({ json: { left_ms: left } }));
  await page.clock.install();
  await doctor.go(`${chart}/records/new`);
  await recordForm(page, { type: 'Note', title: 'Called away', text: 'Speech clearer than this morning.' });
  await page.clock.fastForward(13 * 60_000);
  await page.getByText('You will be signed out in two minutes.').waitFor();
  await doctor.look('idle-warning');
  left = 0;
  await page.clock.fastForward(2 * 60_000);
  // The session lives, so the way leads there without signing in.
  await page.waitForURL('**/drafts');
  await page.getByRole('heading', { name: 'Not saved yet' }).waitFor();
  await doctor.look('drafts');
  await doctor.go('/');
  await page.getByText('Something you typed is not saved yet.').waitFor();
  await page.getByRole('link', { name: 'Go on with it' }).click();
  await page.getByRole('link', { name: 'Go on with what you typed' }).click();
  assert.equal(await page.getByLabel('Text').inputValue(), 'Speech clearer than this morning.');
  await doctor.look('draft');
  await button(page, 'Send it').click();
  await page.getByText('The record is signed and in the log.').waitFor();
  await doctor.go('/drafts');
  await page.waitForURL(/\/$/);
  await page.close();
  doctor.page = first;
});

step('the doctor voids the record with a reason; it stays readable', async () => {
  const { doctor } = people;
  await doctor.go(`${record}/void`);
  await doctor.look('record-void');
  await button(doctor.page, 'Void the record').click();
  await doctor.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await doctor.page.getByLabel('Why is it voided?').fill('Entered for the wrong patient');
  await button(doctor.page, 'Void the record').click();
  await doctor.page.getByText('The record is voided.').waitFor();
  assert.match(await doctor.page.locator('article .record-body').innerText(), /My own words/);
  await doctor.look('record-voided');
});

step('the doctor writes, amends and voids a stroke assessment', async () => {
  const { doctor } = people;
  await doctor.go(`${chart}/stroke/new`);
  await doctor.look('assessment-form');
  await button(doctor.page, 'Sign and file').click();
  await doctor.look('assessment-form-errors');
  const choose = (group, answer) => doctor.page.getByRole('group', { name: group, exact: true }).getByLabel(answer, { exact: true }).check();
  await choose('Sex', 'Female');
  await doctor.page.getByLabel('Age in years').fill('68');
  await choose('Hypertension', 'Yes');
  await choose('Heart disease', 'No');
  await choose('Ever married', 'Yes');
  await doctor.page.getByLabel('Work').selectOption({ label: 'Private' });
  await choose('Residence', 'Urban');
  await doctor.page.getByLabel('Average glucose in mg/dl').fill('148.5');
  await doctor.page.getByLabel('Smoking').selectOption({ label: 'Never smoked' });
  await choose('Stroke', 'Yes');
  await button(doctor.page, 'Sign and file').click();
  await doctor.page.waitForURL(/\/stroke\/[0-9a-f-]{36}$/);
  await sealed(doctor.page);
  await doctor.look('assessment');
  const assessment = new URL(doctor.page.url()).pathname;
  await doctor.go(`${assessment}/amend`);
  await doctor.page.getByLabel('Body mass index').fill('28.4');
  await doctor.page.getByLabel('Why is it amended?').fill('BMI measured now');
  await button(doctor.page, 'Sign the new version').click();
  await doctor.page.getByText('The assessment is amended.').waitFor();
  await doctor.go(`${chart}/stroke`);
  await doctor.look('assessments-of-patient');
  await doctor.go(`${assessment}/void`);
  await doctor.page.getByLabel('Why is it voided?').fill('Wrong patient');
  await button(doctor.page, 'Void the assessment').click();
  await doctor.page.getByText('The assessment is voided.').waitFor();
  await doctor.go(chart);
  await doctor.look('chart');
  await doctor.go(`${chart}/access`);
  await doctor.look('access-history');
});

step('the coordinator imports the file of 5,110 rows in the browser', async () => {
  const { doctor } = people;
  const file = hospital.file('rows.csv', '');
  hospital.command('generate', 'stroke', '--rows', '5110', '--seed', '7', '--output', file);
  const good = readFileSync(file, 'utf8');
  await doctor.go('/stroke/import');
  await doctor.look('import');
  const lines = good.split('\n');
  lines[3] = lines[3].replace(/,[01]$/, ',2');
  await doctor.page.getByLabel('CSV file').setInputFiles(hospital.file('bad.csv', lines.join('\n')));
  await button(doctor.page, 'Check the file').click();
  await doctor.page.getByText(/1 rows? (is|are) refused/).first().waitFor();
  await doctor.look('import-refused');
  await doctor.go('/stroke/import');
  await doctor.page.getByLabel('CSV file').setInputFiles(file);
  await button(doctor.page, 'Check the file').click();
  await doctor.page.getByText('Every row is good.').waitFor();
  await doctor.look('import-good');
  await button(doctor.page, 'Import 5110 rows').click();
  await doctor.page.getByText('The file is imported.').waitFor();
  await doctor.look('stroke-list');
  await doctor.page.getByLabel('Outcome').selectOption('1');
  await doctor.page.getByLabel('Age from').fill('60');
  await button(doctor.page, 'Apply').click();
  await doctor.page.waitForURL('**/stroke?**');
  await doctor.look('stroke-list-filtered');
  await doctor.page.getByRole('link', { name: 'Older assessments' }).click();
  await doctor.page.getByRole('heading', { name: 'Stroke assessments' }).waitFor();
  await doctor.go('/stroke/summary');
  const rows = await doctor.page.locator('.stats b').first().innerText();
  assert.equal(rows.replace(/\D/g, ''), '5110');
  await doctor.look('stroke-summary');
  await doctor.go('/stroke/import');
  await doctor.page.getByLabel('CSV file').setInputFiles(file);
  await button(doctor.page, 'Check the file').click();
  await button(doctor.page, 'Import 5110 rows').click();
  await doctor.page.getByText('Everything in this file is here already.').waitFor();
  await doctor.go('/stroke/export');
  await doctor.look('export');
  await button(doctor.page, 'Download the CSV').click();
  if (new URL(doctor.page.url()).pathname === '/security/confirm') {
    await confirm(doctor, 'confirm');
    await doctor.page.waitForURL('**/stroke/export');
    await button(doctor.page, 'Download the CSV').click();
  }
  const exported = await exportByTwo(doctor, people.privacy);
  const csv = readFileSync(await exported.path(), 'utf8');
  assert.equal(csv, good, 'the export is the file that was imported');
});

step('the privacy officer filters the log and checks an entry and its proof', async () => {
  const { privacy } = people;
  await privacy.go('/');
  await privacy.look('privacy-home');
  await privacy.go('/log');
  await privacy.look('log');
  await privacy.page.getByLabel('Person').fill(STAFF.doctor.email);
  await privacy.page.getByLabel('Patient').fill('7041182293');
  await privacy.page.getByLabel('Action', { exact: true }).selectOption({ label: 'Amended a record' });
  await button(privacy.page, 'Apply').click();
  await privacy.page.getByText('Time of onset from the family').waitFor();
  assert.equal(await privacy.page.getByRole('row').filter({ hasText: 'Dr Ana Moreau' }).count(), 2);
  await privacy.look('log-filtered');
  await privacy.page.getByRole('table', { name: 'Log entries' }).getByRole('link').first().click();
  await privacy.page.getByRole('heading', { name: 'Amended a record' }).waitFor();
  await sealed(privacy.page, 'Verified');
  await privacy.look('log-entry');
  const proof = privacy.page.waitForEvent('download');
  await privacy.page.getByRole('link', { name: 'Download the proof' }).click();
  const kept = await (await proof).path();
  assert.match(readFileSync(kept, 'utf8'), /^c2sp\.org\/tlog-proof@v1\n/);
  // Whoever has the file and the log's key checks it anywhere.
  const proven = hospital.command('verify', 'proof', kept, '--key', `${hospital.data}/ledger/log.vkey`);
  assert.ok(proven.index < proven.size && proven.class && proven.signed, JSON.stringify(proven));
  assert.equal((await privacy.go(chart)).status(), 404, 'the privacy officer opens no chart');
});

step('everybody looks after their own account', async () => {
  const { nurse } = people;
  await nurse.go('/security');
  await nurse.look('security');
  await nurse.page.getByLabel('Password now').fill('not my password');
  await nurse.page.getByLabel('New password', { exact: true }).fill('password1');
  await nurse.page.getByLabel('New password again').fill('password2');
  await button(nurse.page, 'Change the password').click();
  if (new URL(nurse.page.url()).pathname === '/security/confirm') await confirm(nurse);
  else {
    await nurse.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
    await nurse.look('security-errors');
  }
  await nurse.go('/');
  await nurse.page.locator('.usermenu summary').click();
  await nurse.look('menu');
  await button(nurse.page, 'Dark theme').click();
  assert.equal(await nurse.page.locator('html').getAttribute('data-theme'), 'dark');
  await nurse.page.clock.install();
  // The server's clock goes on as it does: what it would say is written here.
  await nurse.page.route('**/session/left', route => route.fulfill({ json: { left_ms: 119_000 } }), { times: 1 });
  await nurse.go('/');
  await nurse.page.clock.fastForward('13:01');
  await nurse.page.getByText('You will be signed out in two minutes.').waitFor();
  await button(nurse.page, 'Stay signed in').click();
  await nurse.page.getByText('You will be signed out in two minutes.').waitFor({ state: 'hidden' });
  await nurse.page.clock.resume();
  await nurse.page.keyboard.press('Control+k');
  await nurse.page.keyboard.type('patients');
  await nurse.look('palette');
  await nurse.page.keyboard.press('Enter');
  await nurse.page.waitForURL('**/patients');
  await nurse.page.locator('.usermenu summary').click();
  await button(nurse.page, 'Sign out').click();
  await nurse.page.getByText('You are signed out.').waitFor();
  await nurse.go(chart);
  await nurse.page.waitForURL('**/sign-in');
});

step('a recovery code signs in once, and a suspended account loses its session at once', async () => {
  const { administrator, nurse } = people;
  await password(nurse, STAFF.nurse.email, STAFF.nurse.password);
  await nurse.look('sign-in-code');
  await nurse.page.getByRole('link', { name: 'Use a recovery code' }).click();
  await nurse.look('sign-in-recovery');
  await nurse.page.getByLabel('Recovery code').fill('aaaaa-aaaaa');
  await button(nurse.page, 'Sign in').click();
  await nurse.page.getByRole('alert').waitFor();
  await nurse.page.getByLabel('Recovery code').fill(nurse.recoveryCodes[0]);
  await button(nurse.page, 'Sign in').click();
  await nurse.page.getByText('You used a recovery code.').waitFor();
  await nurse.page.getByRole('link', { name: 'Go on' }).click();
  await nurse.page.getByRole('heading', { name: 'Worklist' }).waitFor();
  await administrator.go('/accounts');
  const row = administrator.page.getByRole('row').filter({ hasText: STAFF.nurse.email });
  await row.locator('summary').click();
  await button(administrator.page, 'Suspend Nila Patel').click();
  await administrator.page.getByText('The account is suspended').waitFor();
  await nurse.go('/patients');
  await nurse.page.waitForURL('**/sign-in');
  await password(nurse, STAFF.nurse.email, STAFF.nurse.password);
  await nurse.page.getByText('The name, password or code is not right').waitFor();
  await nurse.look('sign-in-refused');
});

step('signing in needs no script', async () => {
  const plain = await Person.at(browser, hospital.origin, { javaScriptEnabled: false });
  plain.app = people.doctor.app;
  await signIn(plain, STAFF.doctor.email, STAFF.doctor.password);
  await plain.go(`${chart}/records/new`);
  await recordForm(plain.page, { type: 'Observation', title: 'Without script', text: 'Blood pressure 148/86.' });
  await button(plain.page, 'Sign and file').click();
  await plain.page.getByText('The record is signed and in the log.').waitFor();
  await plain.go('/log');
  assert.equal(await plain.page.locator('h1').innerText(), 'You may not do this');
  await plain.leave();
});

step('the published log verifies while the hospital runs, and nothing private stands in the server output', async () => {
  const report = hospital.command('verify');
  assert.deepEqual(report.findings, []);
  for (const secret of ['Okafor', '7041182293', 'grace.okafor', 'weakness', 'orange ladder']) {
    assert.ok(!hospital.log.includes(secret), `the server's output names ${secret}`);
  }
  for (const person of Object.values(people)) person.sound();
});
