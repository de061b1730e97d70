// Passkeys in a real Chromium with a made authenticator: set up, used alone, used to confirm, refused,
// copied, removed. The steps build on each other and run in order.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { launch, Person } from './lib/browser.mjs';
import { Hospital } from './lib/hospital.mjs';
import { acceptLink, button, firstSignIn, invite, password } from './lib/people.mjs';
import { steps } from './lib/steps.mjs';

const ADMINISTRATOR = { email: 'ines.navarro@example.org', name: 'Ines Navarro', password: 'copper lantern drifts north' };
const NURSE = { email: 'nila.patel@example.org', name: 'Nila Patel', role: 'nurse', password: 'amber river folds maps' };

let hospital;
let browser;
let administrator;
let nurse;
let laptop;
let key;

const step = steps();

/** The authenticator of one person's browser: what it holds can be taken out and put in again. */
class Device {
  static async of(person) {
    const device = new Device();
    device.cdp = await person.context.newCDPSession(person.page);
    await device.cdp.send('WebAuthn.enable');
    return device;
  }

  /** One authenticator at a time, with these credentials. */
  async plug(...credentials) {
    await this.unplug();
    const options = {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    };
    ({ authenticatorId: this.id } = await this.cdp.send('WebAuthn.addVirtualAuthenticator', { options }));
    for (const credential of credentials) await this.cdp.send('WebAuthn.addCredential', { authenticatorId: this.id, credential });
  }

  async unplug() {
    if (this.id) await this.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: this.id });
    this.id = undefined;
  }

  async held() {
    const { credentials } = await this.cdp.send('WebAuthn.getCredentials', { authenticatorId: this.id });
    return credentials;
  }

  verifies(isUserVerified) {
    return this.cdp.send('WebAuthn.setUserVerified', { authenticatorId: this.id, isUserVerified });
  }
}

async function addPasskey(person, name) {
  await person.page.getByLabel('Name of the new passkey').fill(name);
  await button(person.page, 'Add a passkey').click();
}

async function signOut(person) {
  await person.page.locator('.usermenu summary').click();
  await button(person.page, 'Sign out').click();
  await person.page.getByText('You are signed out.').waitFor();
}

/** What happened since the last sign-in is told before anything else. */
async function isTold(person, words) {
  await person.page.getByRole('heading', { name: 'Please read' }).waitFor();
  await person.page.getByText(words).waitFor();
  await person.page.getByRole('link', { name: 'Go on' }).click();
}

async function signInAlone(person) {
  await person.go('/sign-in');
  await button(person.page, 'Sign in with a passkey').click();
}

before(async () => {
  hospital = await Hospital.init({ host: 'localhost' });
  browser = await launch();
  administrator = await Person.at(browser, hospital.origin);
  nurse = await Person.at(browser, hospital.origin);
});
after(async () => {
  await browser?.close();
  const code = await hospital?.stop();
  if (hospital) {
    assert.equal(code, 0, 'the server ends in order when it is told to');
    hospital.remove();
  }
});

step('two passkeys are set up, each with a name', async () => {
  await acceptLink(administrator, hospital.setupLink, ADMINISTRATOR);
  await firstSignIn(administrator, ADMINISTRATOR.email, ADMINISTRATOR.password);
  administrator.device = await Device.of(administrator);
  await administrator.device.plug();
  await administrator.go('/security');
  await administrator.look('passkeys-none');
  await addPasskey(administrator, 'Office laptop');
  await administrator.page.getByText('The passkey is set up.').waitFor();
  [laptop] = await administrator.device.held();
  assert.ok(laptop.isResidentCredential, 'the device finds it by itself');
  await addPasskey(administrator, 'Office laptop again');
  await administrator.page.getByText('This device has a passkey for this account already.').waitFor();
  await administrator.device.plug();
  // The notice about the first one goes with its page.
  await administrator.go('/security');
  await addPasskey(administrator, 'Blue key');
  await administrator.page.getByText('The passkey is set up.').waitFor();
  [key] = await administrator.device.held();
  await administrator.page.getByText('Office laptop', { exact: true }).first().waitFor();
  await administrator.look('passkeys-two');
});

step('a passkey without a name, or without a device, changes nothing', async () => {
  await addPasskey(administrator, '  ');
  await administrator.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await administrator.look('passkeys-errors');
  assert.equal((await administrator.device.held()).length, 1, 'nothing was made on the device');
});

step('one of them signs in alone', async () => {
  await signOut(administrator);
  await administrator.device.plug(laptop);
  await administrator.look('passkeys-sign-in');
  await button(administrator.page, 'Sign in with a passkey').click();
  await administrator.page.getByText('The passkey “Blue key” was set up on').waitFor();
  await administrator.look('sign-in-told');
  await isTold(administrator, 'The passkey “Office laptop” was set up on');
  await administrator.page.getByRole('heading', { name: 'Overview' }).waitFor();
  await administrator.go('/security');
  await administrator.page.getByRole('heading', { name: 'What happened lately' }).waitFor();
  await administrator.look('security-lately');
});

step('one of them confirms', async () => {
  await administrator.go('/security/confirm?next=/log');
  await administrator.look('passkeys-confirm');
  await button(administrator.page, 'Confirm with a passkey').click();
  await administrator.page.waitForURL('**/log');
  await administrator.page.getByText('Confirmed.').waitFor();
});

step('a device that does not check the person signs nobody in', async () => {
  [laptop] = await administrator.device.held();
  await signOut(administrator);
  await administrator.device.verifies(false);
  await signInAlone(administrator);
  await administrator.page.getByText('No passkey was used.').waitFor();
  await administrator.look('passkeys-not-used');
  await administrator.device.verifies(true);
  await signInAlone(administrator);
  await administrator.page.getByRole('heading', { name: 'Overview' }).waitFor();
});

step('a copy with an older counter is refused, and the owner is told', async () => {
  await signOut(administrator);
  // What the device held before its newest use.
  await administrator.device.plug(laptop);
  await signInAlone(administrator);
  await administrator.page.getByText('This passkey was not accepted.').waitFor();
  await administrator.look('passkeys-refused');
  await administrator.device.plug(key);
  await signInAlone(administrator);
  await administrator.page.getByText('Your passkey “Office laptop” was used in a way that only a copy of it explains').waitFor();
  await administrator.look('passkeys-told');
  await administrator.page.getByRole('link', { name: 'Go on' }).click();
  await administrator.go('/security');
  await administrator.page.getByText('Not accepted').waitFor();
  await administrator.look('passkeys-copied');
});

step('a removed passkey opens nothing', async () => {
  await button(administrator.page, 'Remove Office laptop').click();
  await administrator.page.getByText('The passkey is removed here.').waitFor();
  [key] = await administrator.device.held();
  await signOut(administrator);
  await administrator.device.plug({ ...laptop, signCount: 1000 });
  await signInAlone(administrator);
  await administrator.page.getByText('This passkey was not accepted.').waitFor();
  await administrator.device.plug(key);
  await signInAlone(administrator);
  await isTold(administrator, 'The passkey “Office laptop” was removed on');
  await administrator.page.getByRole('heading', { name: 'Overview' }).waitFor();
});

step('the last factor stays; an app can be set up again', async () => {
  await administrator.go('/security');
  await button(administrator.page, 'Remove the app').click();
  await administrator.page.getByText('The authenticator app is removed.').waitFor();
  await button(administrator.page, 'Remove Blue key').click();
  await administrator.page.getByRole('heading', { name: 'There is a problem' }).waitFor();
  await administrator.page.getByText('This is the last way to sign in to this account.').first().waitFor();
  await administrator.look('passkeys-last');
  await administrator.go('/security/authenticator');
  await administrator.look('authenticator');
  await administrator.go('/security/confirm');
  await administrator.look('passkeys-confirm-only');
  await password(administrator, ADMINISTRATOR.email, ADMINISTRATOR.password);
  await administrator.page.getByRole('heading', { name: 'Use your passkey' }).waitFor();
  await administrator.look('passkeys-second-step');
  await button(administrator.page, 'Sign in with a passkey').click();
  await isTold(administrator, 'The authenticator app was removed on');
  await administrator.page.getByRole('heading', { name: 'Overview' }).waitFor();
});

step('a first sign-in sets up a passkey instead of an app', async () => {
  const link = await invite(administrator, NURSE);
  await acceptLink(nurse, link, { password: NURSE.password });
  nurse.device = await Device.of(nurse);
  await nurse.device.plug();
  await password(nurse, NURSE.email, NURSE.password);
  await nurse.page.waitForURL('**/sign-in/enrol');
  await nurse.look('passkeys-enrol');
  await nurse.page.getByLabel('Name of the passkey').fill('Own phone');
  await button(nurse.page, 'Set up a passkey').click();
  await nurse.page.locator('#recovery-codes li').first().waitFor();
  await nurse.page.getByRole('link', { name: 'I have kept them' }).click();
  await nurse.page.getByRole('heading', { name: 'Worklist' }).waitFor();
  await signOut(nurse);
  await signInAlone(nurse);
  await nurse.page.getByRole('heading', { name: 'Worklist' }).waitFor();
});

step('without script there is no passkey button, and a code still signs in', async () => {
  const plain = await Person.at(browser, hospital.origin, { javaScriptEnabled: false });
  await plain.go('/sign-in');
  assert.equal(await button(plain.page, 'Sign in with a passkey').isVisible(), false);
  assert.equal(await button(plain.page, 'Continue').isVisible(), true);
  await plain.leave();
});

step('the log verifies, and nobody met a breach of the content policy', async () => {
  assert.deepEqual(hospital.command('verify').findings, []);
  administrator.sound();
  nurse.sound();
});
