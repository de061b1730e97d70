// Single sign-on in a real Chromium against a real provider over TLS: somebody new, somebody known, an
// account that is linked, keys of every kind. The steps build on each other and run in order.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { launch, Person } from './lib/browser.mjs';
import { Authenticator, Hospital } from './lib/hospital.mjs';
import { CLIENT, Login } from './lib/login.mjs';
import { acceptLink, button, confirm, firstSignIn } from './lib/people.mjs';
import { steps } from './lib/steps.mjs';

const ADMINISTRATOR = { email: 'ines.navarro@example.org', name: 'Ines Navarro', password: 'copper lantern drifts north' };
const PEOPLE = {
  nila: { name: 'Nila Patel', email: 'nila.patel@example.org', email_verified: true, groups: ['ward-nurses'] },
  ines: { name: 'Ines Navarro', email: ADMINISTRATOR.email, email_verified: true, groups: [] },
  cook: { name: 'Tom Cook', email: 'tom.cook@example.org', email_verified: true, groups: ['canteen'] },
};

let hospital;
let login;
let browser;
let administrator;
let nurse;

const step = steps();

/** Trusts the provider's certificate. Pages that go on at once break off the drawn change of pages, and
 * Chromium calls that an error: nothing is drawn here. The provider's page asks the internet for letters and pictures: it gets nothing. */
async function somebody(options = {}) {
  const person = await Person.at(browser, hospital.origin, { ignoreHTTPSErrors: true, reducedMotion: 'reduce', ...options });
  const near = ['127.0.0.1', 'localhost'];
  await person.context.route(url => !near.includes(url.hostname), route => route.fulfill({ status: 200, body: '' }));
  return person;
}

/** From the button to the provider's own page, and back. */
async function through(person, name) {
  await person.go('/sign-in');
  await button(person.page, 'Sign in with Northgate account').click();
  await there(person, name);
}

async function there(person, name) {
  await person.page.waitForURL(`${login.issuer}/interaction/**`);
  const typed = person.page.locator('input[name=login]');
  if (await typed.count()) {
    await typed.fill(name);
    await person.page.locator('input[name=password]').fill('whatever');
    await person.page.locator('button[type=submit]').click();
  }
  await person.page.locator('button[type=submit]').click();
}

async function signOut(person) {
  await person.page.locator('.usermenu summary').click();
  await button(person.page, 'Sign out').click();
  await person.page.getByText('You are signed out.').waitFor();
  await person.context.clearCookies({ domain: 'localhost' });
}

before(async () => {
  hospital = await Hospital.init();
  login = await Login.open(PEOPLE, `${hospital.origin}/sign-in/provider/back`);
  browser = await launch();
  administrator = await somebody();
  nurse = await somebody();
  await acceptLink(administrator, hospital.setupLink, ADMINISTRATOR);
  await firstSignIn(administrator, ADMINISTRATOR.email, ADMINISTRATOR.password);
  await administrator.go('/sign-in');
  assert.equal(await button(administrator.page, 'Sign in with Northgate account').count(), 0, 'nothing is agreed yet');
  await hospital.stop();
  hospital.agree(login, CLIENT);
  await hospital.serve();
});
after(async () => {
  await browser?.close();
  await login?.close();
  const code = await hospital?.stop();
  if (hospital) {
    assert.equal(code, 0, 'the server ends in order when it is told to');
    hospital.remove();
  }
});

// ASVS 6.8.2, 10.2.1
step('somebody new comes in by the word of the provider and sets up a second factor', async () => {
  await nurse.go('/sign-in');
  await nurse.look('sign-on-button');
  await through(nurse, 'nila');
  await nurse.page.waitForURL('**/sign-in/enrol');
  nurse.app = new Authenticator(await nurse.page.locator('#totp-key').innerText());
  await nurse.page.getByLabel('6-digit code').fill(await nurse.app.code());
  await button(nurse.page, 'Confirm and sign in').click();
  await nurse.page.getByRole('link', { name: 'I have kept them' }).click();
  await nurse.page.getByText('Nila Patel').first().waitFor();
  await nurse.go('/security');
  await nurse.page.getByText('It is how you sign in; this account has no password.').waitFor();
  await nurse.look('sign-on-security-made');
});

step('keys of every kind count, also after they were changed', async () => {
  for (const algorithm of ['ES256', 'Ed25519']) {
    await signOut(nurse);
    // New keys are looked for once a minute at most; a start looks at once.
    await nurse.go('about:blank');
    await hospital.stop();
    login.sign(algorithm);
    await hospital.serve();
    await through(nurse, 'nila');
    await nurse.page.waitForURL('**/sign-in/code');
    await nurse.page.getByLabel('Code from your authenticator app').fill(await nurse.app.code());
    await button(nurse.page, 'Sign in').click();
    await nurse.page.waitForURL(/\/$/);
  }
});

step('who has no role here is told what to do', async () => {
  const cook = await somebody();
  await through(cook, 'cook');
  await cook.page.getByText('you have no account here').waitFor();
  await cook.look('sign-on-no-role');
  await cook.leave();
});

// ASVS 6.8.1
step('an account with the same address is linked by its owner alone', async () => {
  await administrator.context.clearCookies();
  await through(administrator, 'ines');
  await administrator.page.getByText('you have no account here').waitFor();
  await administrator.context.clearCookies();
  await administrator.go('/sign-in');
  await administrator.page.getByLabel('Email').fill(ADMINISTRATOR.email);
  await administrator.page.getByLabel('Password').fill(ADMINISTRATOR.password);
  await button(administrator.page, 'Continue').click();
  await administrator.page.getByLabel('Code from your authenticator app').fill(await administrator.app.code());
  await button(administrator.page, 'Sign in').click();
  await administrator.page.waitForURL(/\/$/);
  await administrator.go('/security');
  const confirming = administrator.page.getByRole('link', { name: 'Confirm it is you, to link it' });
  if (await confirming.count()) {
    await confirming.click();
    await confirm(administrator);
    await administrator.page.waitForURL('**/security');
  }
  await button(administrator.page, 'Link Northgate account').click();
  await there(administrator, 'ines');
  await administrator.page.waitForURL('**/security/provider');
  await administrator.look('sign-on-link');
  await button(administrator.page, 'Link it').click();
  await administrator.page.getByText('Linked. You can sign in this way from now on.').waitFor();
  await administrator.look('sign-on-security-linked');
  await signOut(administrator);
  await through(administrator, 'ines');
  await administrator.page.waitForURL('**/sign-in/code');
  await administrator.page.getByLabel('Code from your authenticator app').fill(await administrator.app.code());
  await button(administrator.page, 'Sign in').click();
  await administrator.page.getByText('Single sign-on was linked').waitFor();
});

step('without JavaScript the way is the same', async () => {
  const plain = await somebody({ javaScriptEnabled: false });
  await through(plain, 'nila');
  await plain.page.waitForURL('**/sign-in/code');
  await plain.page.getByLabel('Code from your authenticator app').fill(await nurse.app.code());
  await button(plain.page, 'Sign in').click();
  await plain.page.getByText('Nila Patel').first().waitFor();
  await plain.leave();
});

step('no secret and no code stands in the log of the program', async () => {
  for (const secret of [CLIENT.secret, 'code=', 'state=', 'code_verifier', 'nila.patel', 'ines.navarro']) {
    assert.ok(!hospital.log.includes(secret), secret);
  }
  nurse.sound();
});
