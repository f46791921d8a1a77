// Prisma through the pooler, by its driver adapter. Takes a connection string; says what failed and ends with 1.
import assert from "node:assert/strict";
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";

const connectionString = process.argv[2];
const secure = process.argv.includes("--tls");
const adapter = new PrismaPg({ connectionString, max: 20, ssl: secure ? { rejectUnauthorized: false } : false });
const prisma = new PrismaClient({ adapter });

async function nestedWrites() {
    const author = await prisma.author.create({
        data: { name: "Ada", posts: { create: [{ title: "one" }, { title: "two", extra: { tags: ["ü", 1] } }] } },
        include: { posts: { orderBy: { id: "asc" } } },
    });
    assert.deepEqual(author.posts.map((post) => post.title), ["one", "two"]);
    assert.deepEqual(author.posts[1].extra, { tags: ["ü", 1] });
    const changed = await prisma.author.update({
        where: { name: "Ada" },
        data: { posts: { update: { where: { id: author.posts[0].id }, data: { views: { increment: 5 } } } } },
        include: { posts: { where: { views: { gt: 1 } } } },
    });
    assert.equal(changed.posts.length, 1);
    assert.equal(changed.posts[0].views, 5);
    await prisma.author.upsert({ where: { name: "Bob" }, create: { name: "Bob" }, update: {} });
    assert.equal(await prisma.author.count(), 2);
}

// Transactions on a busy machine take their time.
const patient = { maxWait: 30000, timeout: 30000 };

async function interactiveTransactions() {
    await assert.rejects(
        prisma.$transaction(async (tx) => {
            await tx.author.create({ data: { name: "nobody" } });
            throw new Error("changed my mind");
        }, patient),
        /changed my mind/,
    );
    assert.equal(await prisma.author.findUnique({ where: { name: "nobody" } }), null);
    const views = await prisma.$transaction(async (tx) => {
        const author = await tx.author.findUniqueOrThrow({ where: { name: "Ada" } });
        await tx.post.updateMany({ where: { authorId: author.id }, data: { views: { increment: 1 } } });
        const { _sum } = await tx.post.aggregate({ where: { authorId: author.id }, _sum: { views: true } });
        return _sum.views;
    }, { isolationLevel: "Serializable", ...patient });
    assert.equal(views, 7);
    const [authors, posts] = await prisma.$transaction([prisma.author.count(), prisma.post.count()]);
    assert.deepEqual([authors, posts], [2, 2]);
}

async function errors() {
    for (let at = 0; at < 5; at++) {
        await assert.rejects(prisma.author.create({ data: { name: "Ada" } }), { code: "P2002" });
        await assert.rejects(prisma.$queryRaw`select 1 / ${0}::int`, /division by zero/);
    }
    assert.equal(await prisma.author.count(), 2);
}

async function rawQueries() {
    const day = new Date("2024-02-29T12:00:00Z");
    const rows = await prisma.$queryRaw`select ${1n}::int8 as a, ${"ü"}::text as b, ${day}::timestamptz as c`;
    assert.deepEqual(rows, [{ a: 1n, b: "ü", c: day }]);
    assert.equal(await prisma.$executeRaw`update "Post" set views = 0`, 2);
}

async function manyInParallel() {
    const answers = await Promise.all(
        Array.from({ length: 50 }, (_, at) => prisma.$queryRaw`select ${at}::int as a, pg_sleep(0.001)::text`),
    );
    assert.deepEqual(answers.map((rows) => rows[0].a), Array.from({ length: 50 }, (_, at) => at));
    const found = await Promise.all(
        Array.from({ length: 50 }, (_, at) =>
            prisma.author.findMany({ where: { name: at % 2 ? "Ada" : "Bob" }, include: { posts: true } }),
        ),
    );
    found.forEach(([author], at) => assert.equal(author.name, at % 2 ? "Ada" : "Bob"));
    await Promise.all(
        Array.from({ length: 20 }, () =>
            prisma.$transaction(async (tx) => {
                await tx.$queryRaw`select pg_sleep(0.001)::text`;
                await tx.post.updateMany({ data: { views: { increment: 1 } } });
            }, patient),
        ),
    );
    const { _sum } = await prisma.post.aggregate({ _sum: { views: true } });
    assert.equal(_sum.views, 40);
}

const cases = [nestedWrites, interactiveTransactions, errors, rawQueries, manyInParallel];
for (const one of cases) {
    try {
        await one();
    } catch (error) {
        console.error(`${one.name}:`, error);
        process.exit(1);
    }
}
await prisma.$disconnect();
console.log(`ok ${cases.length}`);
