import { env } from 'cloudflare:workers';

import { d1Contract } from '../faults/d1_contract.ts';

d1Contract('the local D1', () => env.DB);
