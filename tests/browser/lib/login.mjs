// A real OpenID Connect provider (the package oidc-provider) over TLS, under an authority of its own.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Provider from 'oidc-provider';

export const CLIENT = { id: 'wardkeep', secret: 'a secret with % and : and +' };

/** One private key of each kind that may sign, as JWKs. */
const KEYS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  Ed25519: ['ed25519', {}],
};

function key(algorithm) {
  const [kind, options] = KEYS[algorithm];
  return { ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig' };
}

export class Login {
  /** `people`: claims by the name that is typed there; whatever password they type is right. */
  static async open(people, back) {
    const login = new Login();
    Object.assign(login, { people, back, folder: mkdtempSync(join(tmpdir(), 'wardkeep-login-')) });
    login.authority = login.certified('authority', ['-subj', '/CN=Northgate authority']);
    const from = ['-CA', login.authority, '-CAkey', join(login.folder, 'authority.key')];
    const is = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE'];
    const certificate = login.certified('localhost', [...from, ...is]);
    login.server = createServer({ key: readFileSync(join(login.folder, 'localhost.key')), cert: readFileSync(certificate) });
    await new Promise(resolve => login.server.listen(0, '127.0.0.1', resolve));
    login.issuer = `https://localhost:${login.server.address().port}`;
    login.sign('RS256');
    return login;
  }

  /** A new key and its certificate. */
  certified(name, options) {
    const [key, certificate] = ['key', 'pem'].map(kind => join(this.folder, `${name}.${kind}`));
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', certificate, ...options], { stdio: 'ignore' });
    return certificate;
  }

  /** From now on with one new key of this kind. */
  sign(algorithm) {
    const provider = new Provider(this.issuer, {
      clients: [{
        client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [this.back], response_types: ['code'],
        grant_types: ['authorization_code'], id_token_signed_response_alg: algorithm === 'Ed25519' ? 'EdDSA' : algorithm,
      }],
      enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] },
      jwks: { keys: [key(algorithm)] },
      cookies: { keys: ['only for this test'] },
      pkce: { required: () => true },
      claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...this.people[id] }) }),
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 60, IdToken: 300, AuthorizationCode: 60 },
    });
    this.server.removeAllListeners('request');
    this.server.on('request', provider.callback());
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
