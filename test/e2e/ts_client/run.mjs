// SPDX-License-Identifier: Apache-2.0
// Cloudflare's own TypeScript client against the API named on stdin
// ({url, token, csr, zone, count}); what it saw goes to stdout as JSON.
// Trust comes from NODE_EXTRA_CA_CERTS, as it would for anybody.
import { readFileSync } from 'node:fs';
import Cloudflare from 'cloudflare';

const { url, token, csr, zone, count } = JSON.parse(readFileSync(0, 'utf8'));
const client = new Cloudflare({ apiToken: token, baseURL: url });
const certificates = client.originCACertificates;

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return {
      kind: error.constructor.name,
      status: error.status,
      code: error.errors?.[0]?.code,
    };
  }
}

const body = (hostnames) => ({
  csr,
  hostnames,
  request_type: 'origin-ecc',
  requested_validity: 90,
});

const seen = {};
seen.verify = await client.user.tokens.verify();

seen.zones = [];
for await (const found of client.zones.list({ per_page: 5 })) {
  seen.zones.push({ id: found.id, name: found.name, status: found.status });
}
const named = await client.zones.list({ name: zone, status: 'active' });
const zoneId = named.result[0].id;

seen.created = [];
for (let n = 0; n < count; n += 1) {
  const made = await certificates.create(body([`ts${n}.${zone}`, zone]));
  seen.created.push(made);
}

seen.listed = [];
for await (const row of certificates.list({ zone_id: zoneId, per_page: 5 })) {
  seen.listed.push(row.id);
}

const { id } = seen.created[0];
seen.got = await certificates.get(id);
seen.revoked = await certificates.delete(id);
seen.gotRevoked = await certificates.get(id);

seen.refusals = {
  again: await refusal(certificates.delete(id)),
  foreignName: await refusal(certificates.create(body(['not-ours.test']))),
  noZone: await refusal(certificates.list({})),
  unknown: await refusal(certificates.get('123')),
  badToken: await refusal(
    new Cloudflare({ apiToken: `${token}x`, baseURL: url }).zones.list(),
  ),
};
process.stdout.write(JSON.stringify(seen));
