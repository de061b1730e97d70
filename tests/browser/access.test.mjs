// Who may open a chart beyond the care team: in an emergency, on the unit, in the patient's stead;
// and how the patient and the privacy officer follow it. Runs in order, like the day.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { launch, Person } from './lib/browser.mjs';
import { Hospital } from './lib/hospital.mjs';
import { acceptLink, button, firstSignIn, invite, patientForm } from './lib/people.mjs';
import { steps } from './lib/steps.mjs';

const STAFF = {
  doctor: { email: 'ana.moreau@example.org', name: 'Dr Ana Moreau', role: 'doctor', password: 'velvet orchard counts rain' },
  oncall: { email: 'tom.brandt@example.org', name: 'Dr Tom Brandt', role: 'doctor', password: 'marble heron sings twice' },
  registrar: { email: 'tomas.berg@example.org', name: 'Tomas Berg', role: 'registrar', password: 'quiet engine paints hills' },
  privacy: { email: 'mara.lind@example.org', name: 'Mara Lind', role: 'privacy_officer', password: 'silver kettle maps stars' },
  coordinator: { email: 'cleo.ray@example.org', name: 'Cleo Ray', role: 'stroke_coordinator', password: 'wooden comet hums softly' },
};
const ADMINISTRATOR = { email: 'ines.navarro@example.org', name: 'Ines Navarro', password: 'copper lantern drifts north' };
const PATIENT = { email: 'grace.okafor@example.org', name: 'Grace Okafor', password: 'orange ladder meets tide' };
const PARENT = { email: 'ada.okafor@example.org', name: 'Ada Okafor', password: 'yellow barrel keeps time' };
const GRACE = { mrn: '704 118 2293', family: 'Okafor', given: 'Grace', born: { Day: '14', Month: '3', Year: '1958' }, sex: 'Female', allergies: 'No known allergies' };
const SENTENCE = 'Seizure on the ward, on call, no stroke doctor on site.';

let hospital;
let browser;
let chart;
const people = {};
const step = steps();

async function register(person, { email, name, password }) {
  await person.go('/register');
  await person.page.getByLabel('Email').fill(email);
  await person.page.getByLabel('Your name').fill(name);
  await person.page.getByLabel('Password', { exact: true }).fill(password);
  await person.page.getByLabel('Password again').fill(password);
  await button(person.page, 'Open account').click();
  await person.page.waitForURL('**/sign-in');
  await firstSignIn(person, email, password);
}

before(async () => {
  hospital = await Hospital.init();
  browser = await launch();
  for (const who of ['administrator', 'patient', 'parent', ...Object.keys(STAFF)]) people[who] = await Person.at(browser, hospital.origin);
  const { administrator, doctor, patient, parent, registrar } = people;
  await acceptLink(administrator, hospital.setupLink, ADMINISTRATOR);
  await firstSignIn(administrator, ADMINISTRATOR.email, ADMINISTRATOR.password);
  for (const [who, person] of Object.entries(STAFF)) {
    await acceptLink(people[who], await invite(administrator, person), { password: person.password });
    await firstSignIn(people[who], person.email, person.password);
  }
  await doctor.go('/patients/new');
  await patientForm(doctor.page, GRACE);
  await button(doctor.page, 'Register the patient').click();
  await doctor.page.waitForURL(/\/patients\/[0-9a-f-]{36}$/);
  chart = new URL(doctor.page.url()).pathname;
  await register(patient, PATIENT);
  await register(parent, PARENT);
  await registrar.go(`${chart}/account`);
  await registrar.page.getByLabel("Email of the patient's account").fill(PATIENT.email);
  await button(registrar.page, 'Link the account').click();
  await registrar.page.getByText('The account is linked to this patient.').waitFor();
});
after(async () => {
  await browser?.close();
  const code = await hospital?.stop();
  if (hospital) {
    assert.equal(code, 0, 'the server ends in order when it is told to');
    hospital.remove();
  }
});

step('the doctor on call opens a restricted record in an emergency, and ends it', async () => {
  const { oncall } = people;
  assert.equal((await oncall.go(chart)).status(), 404);
  await oncall.go('/patients');
  await oncall.page.getByLabel('MRN').fill(GRACE.mrn);
  await button(oncall.page, 'Search').click();
  await oncall.page.getByText('Not in your care').waitFor();
  await oncall.look('search-restricted');
  await oncall.page.getByRole('link', { name: 'Emergency access' }).click();
  await oncall.page.getByRole('heading', { name: 'Open this record in an emergency?' }).waitFor();
  await oncall.look('emergency');
  await button(oncall.page, 'Open for 60 minutes').click();
  await oncall.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await oncall.look('emergency-errors');
  await oncall.page.getByLabel('Life-threatening emergency').check();
  await oncall.page.getByLabel('What is happening?').fill(SENTENCE);
  const code = oncall.page.getByLabel('Your current 6-digit code');
  if (await code.isVisible()) await code.fill(await oncall.app.code());
  await button(oncall.page, 'Open for 60 minutes').click();
  await oncall.page.waitForURL(`**${chart}`);
  await oncall.page.getByText('60 min left').waitFor();
  await oncall.look('chart-emergency');
  await oncall.go('/');
  await oncall.page.getByRole('region', { name: 'Emergency access' }).waitFor();
  await oncall.look('worklist-emergency');
  await button(oncall.page, 'End now').click();
  await oncall.page.getByText('The emergency access has ended.').waitFor();
  assert.equal((await oncall.go(chart)).status(), 404, 'ended means on the next request');
});

step('the patient reads why, and asks', async () => {
  const { patient } = people;
  await patient.go('/my/access');
  await patient.page.getByText(SENTENCE).first().waitFor();
  await patient.look('my-access-emergency');
  const line = patient.page.getByRole('listitem').filter({ hasText: 'Opened the record in an emergency' });
  await line.getByRole('link', { name: /Ask about this/ }).click();
  await patient.look('ask');
  await patient.page.getByLabel('What would you like to know?').fill('Why was no doctor of my team there?');
  await button(patient.page, 'Send the question').click();
  await patient.page.getByText('The privacy officer has not answered yet.').waitFor();
  await patient.look('my-access-asked');
});

step('the privacy officer decides and answers; the patient reads both', async () => {
  const { privacy, patient } = people;
  await privacy.go('/');
  await privacy.page.getByText('1 emergency access waits for your review').waitFor();
  await privacy.look('privacy-home-waiting');
  await privacy.page.getByRole('link', { name: 'Open the reviews' }).click();
  await privacy.page.getByText('Why was no doctor of my team there?').waitFor();
  await privacy.look('reviews');
  await privacy.page.getByLabel('Your answer').fill('too short');
  await button(privacy.page, 'Send the answer').click();
  await privacy.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await privacy.look('reviews-errors');
  await privacy.page.getByLabel('Your answer').fill('Your team was in theatre with another patient.');
  await button(privacy.page, 'Send the answer').click();
  await privacy.page.getByText('The answer is sent.').waitFor();
  await privacy.page.getByRole('link', { name: /Decide/ }).click();
  await privacy.look('review');
  await privacy.page.getByLabel('Justified', { exact: true }).check();
  await privacy.page.getByLabel('Note').fill('On call that night; the rota agrees.');
  await button(privacy.page, 'Close the review').click();
  await privacy.page.getByText('The review is closed.').waitFor();
  await privacy.look('reviews-empty');
  await patient.go('/my/access');
  await patient.page.getByText('Your team was in theatre with another patient.').waitFor();
  await patient.page.getByText('Justified: On call that night').waitFor();
  await patient.look('my-access-answered');
});

step('who works on the unit cares for the patients who lie there', async () => {
  const { administrator, registrar, oncall, coordinator } = people;
  await administrator.go('/units');
  await administrator.look('units-empty');
  await administrator.page.getByLabel('Name').fill('Stroke unit');
  await button(administrator.page, 'Open the unit').click();
  await administrator.page.getByText('The units are changed.').waitFor();
  for (const who of [STAFF.oncall, STAFF.coordinator]) {
    await administrator.page.getByLabel('Work email').fill(who.email);
    await administrator.page.getByRole('button', { name: 'Add to Stroke unit' }).click();
    await administrator.page.getByText(who.name).waitFor();
  }
  await administrator.page.getByLabel('Work email').fill('nobody@example.org');
  await administrator.page.getByRole('button', { name: 'Add to Stroke unit' }).click();
  await administrator.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await administrator.look('units-errors');
  await registrar.go(`${chart}/care-team`);
  await registrar.page.getByLabel('Where the patient lies').selectOption('Stroke unit');
  await registrar.look('care-team-unit');
  await button(registrar.page, 'Save the unit').click();
  await registrar.page.getByText('The care team is changed.').waitFor();
  await oncall.go('/');
  await oncall.page.getByRole('link', { name: 'Stroke unit' }).click();
  await oncall.page.getByRole('link', { name: /OKAFOR/ }).waitFor();
  await oncall.look('worklist-unit');
  assert.equal((await oncall.go(chart)).status(), 200);
  await coordinator.go('/');
  await coordinator.page.getByRole('link', { name: /OKAFOR/ }).click();
  await coordinator.page.waitForURL('**/stroke');
  await coordinator.look('coordinator-patient');
  assert.equal((await coordinator.go(`${chart}/records`)).status(), 403);
});

step('a proxy reads the record in the patient’s stead, and no longer once ended', async () => {
  const { registrar, parent } = people;
  assert.equal((await parent.go(chart)).status(), 404);
  await registrar.go(`${chart}/account`);
  await registrar.page.getByLabel('Email of the person’s account').fill('nobody@example.org');
  await button(registrar.page, 'Let this person read the record').click();
  await registrar.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await registrar.look('proxy-errors');
  await registrar.page.getByLabel('Email of the person’s account').fill(PARENT.email);
  await button(registrar.page, 'Let this person read the record').click();
  await registrar.page.getByText('The proxy may read this record').waitFor();
  await registrar.look('proxy');
  await parent.go('/my/others');
  await parent.look('my-others');
  await parent.page.getByRole('link', { name: /OKAFOR/ }).click();
  await parent.page.getByRole('heading', { name: 'Summary' }).waitFor();
  await parent.look('chart-proxy');
  await registrar.go(`${chart}/account`);
  await registrar.page.getByRole('button', { name: 'End the proxy of Ada Okafor' }).click();
  await registrar.page.getByText('The proxy has ended.').waitFor();
  assert.equal((await parent.go(chart)).status(), 404);
});

step('a marked record is not shown to the unit, until the privacy officer permits it', async () => {
  const { doctor, oncall, privacy } = people;
  await doctor.go(`${chart}/records/new`);
  await doctor.page.getByLabel('Type').selectOption({ label: 'Note' });
  await doctor.page.getByLabel('Title').fill('Serology');
  await doctor.page.getByLabel('Sensitive').selectOption({ label: 'HIV' });
  await doctor.page.getByLabel('Text').fill('Result of the second test.');
  await button(doctor.page, 'Sign and file').click();
  await doctor.page.waitForURL(/\/records\/[0-9a-f-]{36}$/);
  await oncall.go(`${chart}/records`);
  await oncall.page.getByText('1 record is not shown.').waitFor();
  await oncall.look('records-marked');
  await doctor.go(`${chart}/documents`);
  await doctor.page.getByLabel('Sensitive').selectOption({ label: 'HIV' });
  await doctor.page.getByLabel('File', { exact: true }).setInputFiles(hospital.file('serology.txt', 'Result of the second test.\n'));
  await button(doctor.page, 'Add').click();
  await doctor.page.getByText('The document is filed.').waitFor();
  await doctor.look('documents-marked');
  await oncall.go(`${chart}/documents`);
  await oncall.page.getByText('1 document is not shown.').waitFor();
  await privacy.go('/reviews/clearances');
  await privacy.look('clearances-empty');
  await privacy.page.getByLabel('Work email').fill(STAFF.oncall.email);
  await privacy.page.getByLabel('Records marked as').selectOption({ label: 'HIV' });
  await button(privacy.page, 'Give the permission').click();
  await privacy.page.getByText('The permissions are changed.').waitFor();
  await privacy.look('clearances');
  await oncall.go(`${chart}/records`);
  await oncall.page.getByRole('link', { name: /Serology/ }).waitFor();
  await oncall.look('records-permitted');
  await oncall.go(`${chart}/documents`);
  await oncall.page.getByRole('link', { name: 'serology.txt', exact: true }).waitFor();
});

step('unusual access is listed with its reasons', async () => {
  const { privacy } = people;
  await privacy.go('/reviews/unusual');
  await privacy.page.getByRole('link', { name: /Dr Tom Brandt/ }).first().waitFor();
  await privacy.look('unusual');
  await privacy.page.getByRole('link', { name: /Dr Tom Brandt/ }).first().click();
  await privacy.page.getByRole('heading', { level: 1 }).waitFor();
  await privacy.look('unusual-case');
});

step('a record is put on hold, and nobody can ask to erase it', async () => {
  const { registrar, privacy } = people;
  await registrar.go(`${chart}/erase`);
  await registrar.look('erase-patient');
  await privacy.go('/reviews/holds');
  await privacy.page.getByLabel('MRN').fill(GRACE.mrn);
  await privacy.page.getByLabel('Why must it be kept?').fill('A claim is before the court, file 12.');
  await button(privacy.page, 'Put on hold').click();
  await privacy.page.getByText('OKAFOR').first().waitFor();
  await privacy.look('legal-holds');
  await registrar.page.getByLabel('Why is it needed?').fill('The patient asked for it in writing.');
  await button(registrar.page, 'Ask for a second person').click();
  await registrar.page.getByText('legal hold').first().waitFor();
});

step('after all of it everything verifies', async () => {
  await hospital.stop();
  assert.deepEqual(hospital.command('verify', '--records').findings, []);
  await hospital.serve();
  Object.values(people).forEach(person => person.sound());
});
