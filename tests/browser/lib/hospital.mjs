// A real hospital for one test file: its own directory, its own server process, a free port.
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const binary = process.env.WARDKEEP_BINARY;

/** A port that nobody listens on now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** RFC 6238 with SHA-1, six digits, thirty seconds. `key` is Base32, blanks allowed. */
function totp(key, step) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...key.replace(/\s/g, '')].map(letter => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const code = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, '0');
}

/** Codes of one authenticator. Each time step counts once, so a used one is never given again. */
export class Authenticator {
  #last = 0;
  constructor(key) {
    this.key = key;
  }
  async code() {
    const now = () => Math.floor(Date.now() / 30_000);
    // The server takes the step after the present one too, so one code can be had early.
    while (this.#last > now()) await new Promise(resolve => setTimeout(resolve, 500));
    this.#last = Math.max(now(), this.#last + 1);
    return totp(this.key, this.#last);
  }
}

export class Hospital {
  /** Passkeys need a `host` with a name: browsers refuse them at addresses of digits. */
  static async init({ name = 'Northgate General Hospital', host = '127.0.0.1' } = {}) {
    const hospital = new Hospital();
    hospital.port = await freePort();
    hospital.origin = `http://${host}:${hospital.port}`;
    hospital.folder = mkdtempSync(join(tmpdir(), 'wardkeep-browser-'));
    hospital.data = join(hospital.folder, 'hospital');
    // Hospitals that share a set of MongoDB members have databases of their own.
    const records = process.env.WARDKEEP_RECORDS;
    if (records) process.env.WARDKEEP_RECORDS = records.replace(/\/(\w+)(?=\?|$)/, `/$1_${hospital.port}`);
    hospital.command('init', '--name', name, '--origin', hospital.origin);
    await hospital.serve();
    return hospital;
  }

  /** Runs a command on this hospital and gives its JSON. */
  command(...words) {
    return JSON.parse(execFileSync(binary, [...words, '--data', this.data, '--json'], { encoding: 'utf8' }));
  }

  async serve() {
    this.log = '';
    this.process = spawn(binary, ['serve', '--data', this.data, '--listen', `127.0.0.1:${this.port}`, '--origin', this.origin, '--json', '--log', 'info']);
    this.process.stderr.on('data', part => { this.log += part; });
    const line = await new Promise((resolve, reject) => {
      this.process.stdout.once('data', part => resolve(String(part)));
      this.process.once('exit', code => reject(new Error(`the server ended with ${code}: ${this.log}`)));
    });
    this.setupLink = JSON.parse(line).setup_link;
  }

  /** Writes the agreement with a sign-in service into the settings. */
  agree(login, client) {
    writeFileSync(join(this.data, 'sign-on.secret'), `${client.secret}\n`, { mode: 0o600 });
    const text = `[sign_on]
issuer = "${login.issuer}"
client_id = "${client.id}"
client_secret_file = "sign-on.secret"
label = "Northgate account"
ca_file = "${login.authority}"

[sign_on.roles]
ward-nurses = "nurse"
`;
    appendFileSync(join(this.data, 'wardkeep.toml'), text, { mode: 0o600 });
  }

  file(name, bytes) {
    const path = join(this.folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  async stop() {
    const ended = new Promise(resolve => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    return ended;
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
