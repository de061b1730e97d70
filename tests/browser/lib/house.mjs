// What needs a second person, and programs with accounts of their own.
import assert from 'node:assert/strict';
import { button, confirm } from './people.mjs';

/** From the export that was refused to one person, to the download after another one agreed. */
export async function exportByTwo(doctor, privacy) {
  // So many rows need a second person.
  await doctor.page.getByRole('heading', { name: 'This needs a second person' }).waitFor();
  await doctor.look('request-ask');
  await doctor.page.getByLabel('Why is it needed?').fill('For the yearly report to the registry.');
  await button(doctor.page, 'Ask for a second person').click();
  await doctor.page.waitForURL('**/requests');
  await doctor.look('requests');
  await privacy.go('/');
  await privacy.page.getByRole('link', { name: 'Decide' }).waitFor();
  await privacy.go('/requests');
  await privacy.page.getByRole('link', { name: 'Decide on: Export more than 500 stroke assessments' }).click();
  await privacy.page.getByRole('heading', { name: 'What was asked' }).waitFor();
  await privacy.look('request-decide');
  const request = privacy.page.url();
  await button(privacy.page, 'Approve').click();
  if (new URL(privacy.page.url()).pathname === '/security/confirm') {
    await confirm(privacy);
    await privacy.page.waitForURL(request);
    await button(privacy.page, 'Approve').click();
  }
  await privacy.page.getByText('The request is approved.').first().waitFor();
  await doctor.go('/requests');
  await doctor.page.getByText('Ready to use').waitFor();
  await doctor.page.getByRole('link', { name: 'Open the request: Export more than 500 stroke assessments' }).click();
  await doctor.page.getByRole('heading', { name: 'What was asked' }).waitFor();
  await doctor.look('request-use');
  const exported = doctor.page.waitForEvent('download');
  await button(doctor.page, 'Download the CSV').click();
  if (new URL(doctor.page.url()).pathname === '/security/confirm') {
    await confirm(doctor);
    await doctor.page.waitForURL(request);
    await button(doctor.page, 'Download the CSV').click();
  }
  return exported;
}

/** Makes a service account and calls the API with it. */
export async function makeServiceAccount(administrator, hospital) {
  await administrator.go('/accounts');
  await administrator.page.getByRole('link', { name: 'Service accounts' }).click();
  await administrator.page.getByRole('link', { name: 'New service account' }).click();
  if (new URL(administrator.page.url()).pathname === '/security/confirm') await confirm(administrator);
  await administrator.page.waitForURL('**/services/new');
  await button(administrator.page, 'Make the service account').click();
  await administrator.page.getByText('Choose at least one thing that it may do.').first().waitFor();
  await administrator.look('service-new');
  await administrator.page.getByLabel('Name', { exact: true }).fill('Posture watcher');
  await administrator.page.getByLabel('Purpose').fill('Watches the posture of this hospital');
  await administrator.page.getByLabel('Read health and alarms').check();
  await administrator.page.getByLabel('Days until it expires').fill('90');
  await button(administrator.page, 'Make the service account').click();
  const client = await administrator.page.locator('#client-id').innerText();
  const secret = await administrator.page.locator('#client-secret').innerText();
  await administrator.look('service-secret');
  const call = (path, options) => fetch(new URL(path, hospital.origin), options);
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client, client_secret: secret });
  const { access_token: token } = await (await call('/api/v1/token', { method: 'POST', body })).json();
  const health = await call('/api/v1/health', { headers: { authorization: `Bearer ${token}` } });
  assert.equal(health.status, 200);
  await administrator.go('/services');
  assert.ok(!(await administrator.page.content()).includes(secret), 'shown once');
  await administrator.look('services');
}
