// A gateway in Express. `PLAIN` is what most people write: the proxy with its defaults, a token verified at
// every request. `TUNED` is what an expert makes of it: connections to the back end are kept, a verified token
// is remembered until it expires, no ETag and no X-Powered-By are computed. One process each.
//
//   node gateway.js plain|tuned PORT BACK_END_PORT SECRET

import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import cors from 'cors';
import compression from 'compression';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import { createProxyMiddleware } from 'http-proxy-middleware';
import jwt from 'jsonwebtoken';

const [how, port, backEnd, secret] = process.argv.slice(2);
const tuned = how === 'tuned';
const MOST_REMEMBERED = 10_000;
const remembered = new Map();

function verified(token) {
  const known = remembered.get(token);
  if (known && known.exp * 1000 > Date.now()) return known;
  const claims = jwt.verify(token, secret, { algorithms: ['HS256'] });
  if (tuned) {
    if (remembered.size >= MOST_REMEMBERED) remembered.delete(remembered.keys().next().value);
    remembered.set(token, claims);
  }
  return claims;
}

function identify(request, response, next) {
  delete request.headers['x-user-id'];
  const credential = request.headers.authorization;
  if (!credential) return next();
  try {
    request.user = verified(credential.slice('Bearer '.length));
    request.headers['x-user-id'] = request.user.sub;
    next();
  } catch {
    response.status(401).json({ code: 'bad_token' });
  }
}

function log(request, response, next) {
  const began = process.hrtime.bigint();
  request.id = request.headers['x-request-id'] ?? randomUUID();
  request.headers['x-request-id'] = request.id;
  response.setHeader('x-request-id', request.id);
  response.on('finish', () => {
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    const line = { id: request.id, method: request.method, path: request.path, status: response.statusCode, ms };
    process.stdout.write(JSON.stringify(line) + '\n');
  });
  next();
}

const app = express();
if (tuned) {
  app.disable('etag');
  app.disable('x-powered-by');
}
app.get('/ready', (request, response) => response.json({ status: 'ready' }));
app.use(log);
app.use(helmet());
app.use(cors({ origin: ['http://127.0.0.1:3000'], credentials: true }));
app.use(compression());
app.use(identify);
app.use(
  rateLimit({
    windowMs: 15 * 60 * 1000,
    limit: 1_000_000_000,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    keyGenerator: (request) => request.user?.sub ?? 'anonymous',
  }),
);
app.use(
  createProxyMiddleware({
    target: `http://127.0.0.1:${backEnd}`,
    changeOrigin: true,
    proxyTimeout: 30_000,
    ...(tuned ? { agent: new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256 }) } : {}),
  }),
);
const server = app.listen(Number(port), '127.0.0.1');
server.keepAliveTimeout = 120_000;
process.on('SIGTERM', () => process.exit(0));
