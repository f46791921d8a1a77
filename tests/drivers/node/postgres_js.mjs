// postgres.js through the pooler. Takes a connection string and the mode; says what failed and ends with 1.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";

const [connectionString] = process.argv.slice(2);
const ssl = process.argv.includes("--tls") ? { rejectUnauthorized: false } : false;

async function withSql(work, options = {}) {
    const sql = postgres(connectionString, { max: 1, ssl, onnotice: () => {}, ...options });
    try {
        await work(sql);
    } finally {
        await sql.end();
    }
}

const numbers = (count) => Array.from({ length: count }, (_, at) => at);

async function values() {
    await withSql(async (sql) => {
        const day = new Date("2024-02-29T12:00:00Z");
        for (let at = 0; at < 5; at++) {
            const [row] = await sql`select ${at}::int as a, ${"ü"}::text as b, ${sql.json({ x: [1] })}::jsonb as c,
                ${[1, 2, 3]}::int[] as d, ${day}::timestamptz as e, ${null}::int as f, ${Buffer.from([0, 255])}::bytea as g`;
            assert.deepEqual({ ...row, g: [...row.g] }, { a: at, b: "ü", c: { x: [1] }, d: [1, 2, 3], e: day, f: null, g: [0, 255] });
        }
    });
}

async function statements() {
    await withSql(async (sql) => {
        for (let at = 0; at < 20; at++) {
            assert.equal((await sql`select ${at}::int + 1 as a`)[0].a, at + 1);
            await sql.begin(async (tx) => assert.equal((await tx`select ${at}::int + 1 as a`)[0].a, at + 1));
        }
        for (let at = 0; at < 250; at++) { // more than are kept
            assert.equal((await sql.unsafe(`select $1::int + ${at} as a`, [1], { prepare: true }))[0].a, at + 1);
        }
    });
}

async function pipelines() {
    await withSql(async (sql) => {
        const answers = await Promise.all(numbers(300).map((at) => sql`select ${at}::int as a`));
        assert.deepEqual(answers.map(([row]) => row.a), numbers(300));
        const mixed = await Promise.allSettled(numbers(60).map((at) => sql`select 6 / ${at % 3}::int as a`));
        mixed.forEach((one, at) => {
            if (at % 3 === 0) {
                assert.equal(one.reason.code, "22012");
            } else {
                assert.equal(one.value[0].a, 6 / (at % 3));
            }
        });
    });
}

async function transactions() {
    await withSql(async (sql) => {
        await sql`create table postgres_js (a int primary key)`;
        await assert.rejects(sql.begin(async (tx) => {
            await tx`insert into postgres_js values (${1})`;
            throw new Error("changed my mind");
        }), /changed my mind/);
        await sql.begin(async (tx) => {
            await tx`insert into postgres_js values (${2})`;
            await tx.savepoint(async (inner) => {
                await inner`insert into postgres_js values (${2})`;
            }).catch((error) => assert.equal(error.code, "23505"));
            await tx`insert into postgres_js ${tx([{ a: 3 }, { a: 4 }])}`;
        });
        assert.deepEqual((await sql`select a from postgres_js order by a`).map((row) => row.a), [2, 3, 4]);
        await sql`drop table postgres_js`;
    });
}

async function errors() {
    await withSql(async (sql) => {
        for (let at = 0; at < 5; at++) {
            await assert.rejects(sql`select * from nowhere`, { code: "42P01" });
            await assert.rejects(sql`select ${"x"}::int`, { code: "22P02" });
        }
        assert.equal((await sql`select 1 as a`)[0].a, 1);
    });
}

async function copies() {
    await withSql(async (sql) => {
        await sql`create table postgres_js_copied (a int, b text)`;
        const lines = numbers(5000).map((at) => `${at}\ttext ${at}\n`);
        await pipeline(Readable.from(lines), await sql`copy postgres_js_copied from stdin`.writable());
        assert.equal((await sql`select count(*)::int as a from postgres_js_copied`)[0].a, 5000);
        const received = [];
        // Not more than its stream buffers: beyond that it can forget to read on, straight from PostgreSQL too.
        const some = sql`copy (select * from postgres_js_copied where a < 500) to stdout`;
        for await (const piece of await some.readable()) {
            received.push(piece);
        }
        assert.equal(Buffer.concat(received).toString(), lines.slice(0, 500).join(""));
        await sql`drop table postgres_js_copied`;
    });
}

async function cursors() {
    await withSql(async (sql) => {
        let sum = 0;
        await sql`select generate_series(1, 1000) as a`.cursor(50, (rows) => {
            rows.forEach((row) => (sum += row.a));
        });
        assert.equal(sum, 500500);
    });
}

const isRunning = async (sql) =>
    (await sql`select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'`).length > 0;

async function cancels() {
    await withSql(async (sql) => {
        const sleeping = sql`select pg_sleep(${60})`.execute();
        await withSql(async (other) => {
            while (!(await isRunning(other)));
        });
        sleeping.cancel();
        await assert.rejects(sleeping, { code: "57014" });
        assert.equal((await sql`select 1 as a`)[0].a, 1);
    });
}

async function manyConnections() {
    await withSql(async (sql) => {
        const answers = await Promise.all(numbers(400).map((at) => sql`select ${at}::int as a`));
        assert.deepEqual(answers.map(([row]) => row.a), numbers(400));
        await Promise.all(numbers(60).map((at) => sql.begin(async (tx) => {
            await tx`select pg_sleep(0.001)`;
            assert.equal((await tx`select ${at}::int as a`)[0].a, at);
        })));
    }, { max: 30 });
}

const cases = [values, statements, pipelines, transactions, errors, copies, cursors, cancels, manyConnections];
for (const one of cases) {
    try {
        await one();
    } catch (error) {
        console.error(`${one.name}:`, error);
        process.exit(1);
    }
}
console.log(`ok ${cases.length}`);
