/** Principals by JSON Web Tokens of an identity provider. */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { Label } from '../../contracts/session.ts';
import { type Principal, Role } from './principal.ts';

/** Which tokens are accepted. */
export interface TokenRules {
  /** Address of the provider's key set. */
  readonly jwksUrl: string;
  /** The `iss` of tokens. */
  readonly issuer: string;
  /** The `aud` of tokens. */
  readonly audience: string;
}

/** Claim that names the role. Without it a principal is a `user`. */
const ROLE_CLAIM = 'copilot_role';
/** Only signatures: with a secret that both sides know, whoever can check a token could make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** Checks tokens by the provider's keys, which are fetched when an unknown one is named. */
export class TokenVerifier {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #rules: TokenRules;

  constructor(rules: TokenRules) {
    this.#keys = createRemoteJWKSet(new URL(rules.jwksUrl));
    this.#rules = rules;
  }

  /**
   * Whose token it is. Undefined if it is not valid, with the reason in `onRefused`.
   * @throws Error if the provider's keys cannot be fetched
   */
  async find(token: string, onRefused: (reason: string) => void): Promise<Principal | undefined> {
    const { issuer, audience } = this.#rules;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp'],
      });
      const name = Label.safeParse(payload.sub);
      const role = Role.safeParse(payload[ROLE_CLAIM] ?? 'user');
      if (name.success && role.success) return { name: name.data, role: role.data };
      onRefused(
        name.success
          ? `its claim ${ROLE_CLAIM} is none of ${Role.options.join(', ')}`
          : 'its claim sub is no name of 1 to 200 characters',
      );
    } catch (error) {
      if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) throw error;
      onRefused(error.message);
    }
    return undefined;
  }
}
