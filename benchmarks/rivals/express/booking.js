// Bookings and calendars in Express on PostgreSQL. `usual` is how most people write it: look whether the stay
// overlaps, then insert. `tuned` is an expert's: the key of the nights referees, every statement is prepared,
// and a verified token is remembered. Both keep an idempotency key with its answer, a history and an outbox, in
// one transaction.
//
//   node booking.js usual|tuned PORT DATABASE_URL SECRET

import { createHash, randomUUID } from 'node:crypto';
import express from 'express';
import helmet from 'helmet';
import jwt from 'jsonwebtoken';
import pg from 'pg';

const [how, port, database, secret] = process.argv.slice(2);
const tuned = how === 'tuned';
const pool = new pg.Pool({ connectionString: database, max: tuned ? 40 : 20 });
const remembered = new Map();
const DAY = 86_400_000;
const UNIQUE_VIOLATION = '23505';

// With a name, a statement is prepared once a connection.
const ask = (link, name, text, values) => link.query(tuned ? { name, text, values } : { text, values });

function guest(request, response, next) {
  try {
    const token = request.headers.authorization.slice('Bearer '.length);
    request.user = remembered.get(token) ?? jwt.verify(token, secret, { algorithms: ['HS256'] });
    if (tuned) remembered.set(token, request.user);
    next();
  } catch {
    response.status(401).json({ code: 'bad_token' });
  }
}

class DatesTaken extends Error {}

async function takeNights(link, wish, id) {
  if (tuned) {
    await ask(
      link,
      'nights',
      `INSERT INTO nights SELECT $1, day::date, $4
       FROM generate_series($2::date, $3::date - 1, interval '1 day') day`,
      [wish.listing_id, wish.check_in, wish.check_out, id],
    );
    return;
  }
  const taken = await ask(
    link,
    'overlap',
    `SELECT 1 FROM bookings WHERE listing_id = $1 AND check_in < $3 AND check_out > $2
     AND status <> 'cancelled' LIMIT 1`,
    [wish.listing_id, wish.check_in, wish.check_out],
  );
  if (taken.rowCount) throw new DatesTaken();
}

async function write(link, wish, user, key) {
  const id = randomUUID();
  const now = new Date();
  const fingerprint = createHash('sha256').update(JSON.stringify(wish)).digest('hex');
  await ask(link, 'claim', 'INSERT INTO answers (scope, key, fingerprint) VALUES ($1, $2, $3)', [
    user.sub,
    key,
    fingerprint,
  ]);
  await takeNights(link, wish, id);
  const booking = { id, ...wish, guest_id: user.sub, status: 'pending', total: 42_000, created_at: now };
  const values = [id, wish.listing_id, user.sub, wish.listing_id, wish.check_in, wish.check_out];
  values.push('pending', 42_000, 'x'.repeat(700), now);
  await ask(link, 'book', 'INSERT INTO bookings VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', values);
  await ask(link, 'history', 'INSERT INTO history VALUES ($1, 1, $2, $3)', [id, 'pending', now]);
  const event = Buffer.from(JSON.stringify({ name: 'booking.created', booking }));
  const sent = await ask(
    link,
    'outbox',
    'INSERT INTO outbox (id, subject, envelope) VALUES ($1, $2, $3) RETURNING position',
    [id, `booking/${id}`, event],
  );
  const row = [sent.rows[0].position, id, `booking/${id}`];
  await ask(link, 'unsent', 'INSERT INTO unsent VALUES ($1, $2, $3)', row);
  await ask(link, 'timer', 'INSERT INTO timers VALUES ($1, $2, $3)', [id, new Date(+now + 900_000), event]);
  const body = JSON.stringify(booking);
  await ask(link, 'answer', 'UPDATE answers SET body = $3 WHERE scope = $1 AND key = $2', [
    user.sub,
    key,
    Buffer.from(body),
  ]);
  return body;
}

async function book(request, response) {
  const key = request.headers['idempotency-key'];
  const known = await ask(pool, 'known', 'SELECT body FROM answers WHERE scope = $1 AND key = $2', [
    request.user.sub,
    key,
  ]);
  if (known.rowCount) return response.status(201).type('json').send(known.rows[0].body);
  const link = await pool.connect();
  try {
    await link.query('BEGIN');
    const body = await write(link, request.body, request.user, key);
    await link.query('COMMIT');
    return response.status(201).type('json').send(body);
  } catch (error) {
    await link.query('ROLLBACK');
    if (error instanceof DatesTaken || error.code === UNIQUE_VIOLATION) {
      return response.status(409).json({ code: 'dates_taken' });
    }
    throw error;
  } finally {
    link.release();
  }
}

async function calendar(request, response) {
  const { from, to } = request.query;
  const sql = tuned
    ? 'SELECT night::text FROM nights WHERE listing_id = $1 AND night >= $2 AND night < $3'
    : `SELECT day::date::text AS night FROM bookings, generate_series(check_in, check_out - 1, interval '1 day') day
       WHERE listing_id = $1 AND check_out > $2 AND check_in < $3`;
  const found = await ask(pool, 'calendar', sql, [request.params.id, from, to]);
  const taken = new Set(found.rows.map((row) => row.night));
  const nights = [];
  for (let at = Date.parse(from); at < Date.parse(to); at += DAY) {
    const date = new Date(at).toISOString().slice(0, 10);
    nights.push({ date, available: !taken.has(date), price: { amount: 14_000, currency: 'EUR' }, min_nights: 2 });
  }
  response.json({ nights });
}

const app = express();
if (tuned) app.disable('etag');
app.get('/ready', async (request, response) => {
  await pool.query('SELECT 1');
  response.json({ status: 'ready' });
});
app.use(helmet());
app.use(express.json());
app.post('/api/bookings', guest, book);
app.get('/api/listings/:id/availability', calendar);
const server = app.listen(Number(port), '127.0.0.1', 2048);
server.keepAliveTimeout = 120_000;
process.on('SIGTERM', () => process.exit(0));
