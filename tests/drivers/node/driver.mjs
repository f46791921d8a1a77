// node-postgres through the pooler. Takes a connection string; says what failed and ends with 1.
import assert from "node:assert/strict";
import pg from "pg";

const connectionString = process.argv[2];
const ssl = process.argv.includes("--tls") ? { rejectUnauthorized: false } : false;

async function withClient(work) {
    const client = new pg.Client({ connectionString, ssl });
    await client.connect();
    try {
        await work(client);
    } finally {
        await client.end();
    }
}

async function values() {
    await withClient(async (client) => {
        const { rows } = await client.query("select $1::int as a, $2::text as b, $3::jsonb as c", [1, "ü", { x: [1] }]);
        assert.deepEqual(rows, [{ a: 1, b: "ü", c: { x: [1] } }]);
        const several = await client.query("select 1 as a; select 2 as a");
        assert.deepEqual(several.map((result) => result.rows[0].a), [1, 2]);
    });
}

async function errors() {
    await withClient(async (client) => {
        await assert.rejects(client.query("select 1 / $1::int", [0]), { code: "22012" });
        await assert.rejects(client.query("selec"), { code: "42601" });
        assert.equal((await client.query("select 1 as a")).rows[0].a, 1);
    });
}

async function queriesInARow() {
    await withClient(async (client) => {
        const answers = await Promise.all(
            Array.from({ length: 200 }, (_, at) => client.query("select $1::int as a", [at])),
        );
        assert.deepEqual(answers.map((answer) => answer.rows[0].a), Array.from({ length: 200 }, (_, at) => at));
    });
}

async function pool() {
    const clients = new pg.Pool({ connectionString, ssl, max: 30 });
    const answers = await Promise.all(
        Array.from({ length: 500 }, (_, at) => clients.query("select $1::int as a", [at])),
    );
    assert.deepEqual(answers.map((answer) => answer.rows[0].a), Array.from({ length: 500 }, (_, at) => at));
    await Promise.all(
        Array.from({ length: 30 }, async (_, at) => {
            const client = await clients.connect();
            await client.query("begin");
            await client.query("select pg_sleep(0.001)");
            assert.equal((await client.query("select $1::int as a", [at])).rows[0].a, at);
            await client.query(at % 2 ? "commit" : "rollback");
            client.release();
        }),
    );
    await clients.end();
}

async function largeResult() {
    await withClient(async (client) => {
        const { rows } = await client.query("select repeat('x', 1000) as a from generate_series(1, 10000)");
        assert.equal(rows.length, 10000);
        assert.ok(rows.every((row) => row.a.length === 1000));
    });
}

async function notices() {
    await withClient(async (client) => {
        const seen = [];
        client.on("notice", (notice) => seen.push(notice.message));
        await client.query("do $$ begin raise notice 'hello'; end $$");
        assert.deepEqual(seen, ["hello"]);
    });
}

async function namedStatements() {
    await withClient(async (client) => {
        for (let at = 0; at < 20; at++) {
            const { rows } = await client.query({ name: "next", text: "select $1::int + 1 as a", values: [at] });
            assert.equal(rows[0].a, at + 1);
        }
    });
}

async function namedStatementsOfMany() {
    const clients = new pg.Pool({ connectionString, ssl, max: 20 });
    await Promise.all(Array.from({ length: 400 }, async (_, at) => {
        const which = at % 5;
        const query = { name: `sum${which}`, text: `select $1::int + ${which} as a`, values: [at] };
        assert.equal((await clients.query(query)).rows[0].a, at + which);
    }));
    await clients.end();
}

async function settings() {
    await withClient(async (client) => {
        await client.query("set timezone to 'Asia/Tokyo'");
        for (let at = 0; at < 5; at++) {
            assert.equal((await client.query("show timezone")).rows[0].TimeZone, "Asia/Tokyo");
        }
    });
}

const cases = [
    values, errors, queriesInARow, pool, largeResult, notices, namedStatements, namedStatementsOfMany, settings,
];
for (const one of cases) {
    try {
        await one();
    } catch (error) {
        console.error(`${one.name}:`, error);
        process.exit(1);
    }
}
console.log(`ok ${cases.length}`);
