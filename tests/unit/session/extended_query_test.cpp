// Named statements of clients on changing servers, held against a client that has a server of its
// own: whatever it sends, in whatever portions, both must get the same replies.

#include "session/extended_query.hpp"

#include "protocol/frame.hpp"
#include "unit/session/statement_backend.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace pgweir::session {
namespace {

using pool::server_statements;
using pool::statement_effect;
using protocol::origin;
using protocol::request;
using test::statement_backend;
using test::wire_message;

std::vector<wire_message> messages_in(const std::string& bytes) {
    std::vector<wire_message> found;
    protocol::frame_scanner scanner(protocol::all_types, 1 << 20, 1 << 20);
    scanner.feed(bytes);
    while (scanner.next() == protocol::frame_scanner::event::message) {
        found.push_back({scanner.type(), std::string(scanner.body())});
    }
    return found;
}

std::string parse(std::string_view name, std::string_view text) {
    std::string out;
    protocol::put_parse(out, name, std::string(text) + std::string(3, '\0'));
    return out;
}

std::string bound(std::string_view name) {
    std::string out;
    protocol::message_writer(out, 'B').cstring("").cstring(name).int16(0).int16(0).int16(0);
    return out;
}

std::string describe(std::string_view name) {
    std::string out;
    protocol::put_describe_statement(out, name);
    return out;
}

std::string close(std::string_view name) {
    std::string out;
    protocol::put_close_statement(out, name);
    return out;
}

std::string plain(char type, std::string_view text = {}) {
    std::string out;
    if (text.empty()) {
        protocol::message_writer(out, type);
    } else {
        protocol::message_writer(out, type).cstring(text);
    }
    return out;
}

std::string run(std::string_view name) {
    return bound(name) + plain('E') + plain('S');
}

/// What a client sees of a reply. Texts of errors are PostgreSQL's but for names, so that the code
/// says enough.
std::string shown(const wire_message& reply) {
    std::string text(1, reply.type);
    if (reply.type == 'E') {
        return text + std::string(protocol::read_error(reply.body).sqlstate);
    }
    return reply.type == 'D' || reply.type == 'Z' || reply.type == 'T' ? text + ":" + reply.body
                                                                       : text;
}

/// A server of the pool, with what its connection keeps of it.
struct server {
    statement_backend backend;
    protocol::pipeline requests;
    server_statements statements;
    std::deque<wire_message> to_read;
    std::deque<wire_message> replies;
};

/// One client of the pool: does what session/client and pool/server_connection do with an
/// extended_query.
class pooled_client {
public:
    pooled_client(
        pool::statement_store& store, const pool::parameter_set_ptr& settings, std::size_t limit
    )
        : store_(store), settings_(settings), limit_(limit) {}

    server* leased = nullptr;
    bool pinned = false;
    bool unnamed_is_own = false;
    std::uint64_t unnamed_turn = 0;
    std::vector<std::string> received;

    void send(const std::string& bytes) {
        for (wire_message& next : messages_in(bytes)) {
            waiting_.push_back(std::move(next));
        }
    }

    bool has_more() const { return !waiting_.empty(); }

    /// Takes one message further, if it need not wait. True if something was done.
    bool send_one() {
        if (waiting_.empty() || held_) {
            return false;
        }
        const wire_message& next = waiting_.front();
        const request what = *protocol::request_of(next.type);
        if (leased->requests.settled()) {
            at_risk_ = false;
            begin_guard();
        } else if (at_risk_ && leased->requests.ready_owed() != 0 && guard_.watching()) {
            keeps_unnamed = false;
            return false;
        } else if (leased->requests.ready_owed() != 0) {
            give_up_guard();
        }
        if (concerns(what, next)) {
            return share(what, next);
        }
        note_unnamed(what, next);
        leased->requests.sent(what);
        to_server(next);
        if (what == request::flush) {
            give_up_guard();
            answer();
        }
        taken();
        return true;
    }

    void receive_one() {
        held_ = false;
        const wire_message reply = leased->replies.front();
        leased->replies.pop_front();
        answer();
        deliver(reply);
        answer();
        if (leased->requests.settled() && guard_.dropping()) {
            send_again();
        } else if (leased->requests.settled()) {
            sent_again_ = false;
        }
    }

    std::size_t names() const { return statements_.size(); }

    int repairs() const { return repairs_; }

    bool sending_again() const { return sent_again_; }

    bool keeps_unnamed = true;

private:
    void note_unnamed(request what, const wire_message& next) {
        const bool own =
            what == request::query || (what == request::parse && next.body.starts_with('\0'));
        if (own && !unnamed_is_own) {
            unnamed_is_own = true;
            unnamed_turn = store_.next_turn();
            leased->statements.set_unnamed_owner(unnamed_turn);
        } else if (what == request::close && next.body == std::string("S\0", 2)) {
            unnamed_turn = 0;
        }
    }

    bool concerns(request what, const wire_message& next) {
        return statements_.concerns_too(what, next.body) ||
               (!unnamed_is_own && extended_query::concerns_unnamed(what, next.body)) ||
               extended_query::concerns(what, next.body) ||
               (what == request::parse && keeps_unnamed &&
                extended_query::recurs(
                    next.body, next.body.size(), leased->requests, store_.recurring()
                ));
    }

    // As session/client guards what it sends.

    void begin_guard() {
        if (guard_.off() && !sent_again_ &&
            leased->requests.status() == protocol::transaction_status::idle) {
            guard_.begin();
            statements_.begin_undo();
        }
    }

    void give_up_guard() {
        for (const wire_message& one : messages_in(guard_.end())) {
            received.push_back(shown(one));
        }
    }

    /// The first message that waits has been read.
    void taken() {
        std::string bytes;
        protocol::message_writer(bytes, waiting_.front().type).bytes(waiting_.front().body);
        if (guard_.watching() && !guard_.keep(bytes)) {
            give_up_guard();
        }
        waiting_.pop_front();
    }

    void give(const wire_message& reply) {
        std::string bytes;
        protocol::message_writer(bytes, reply.type).bytes(reply.body);
        switch (guard_.feed(bytes)) {
            case reply_guard::verdict::pass:
                received.push_back(shown(reply));
                return;
            case reply_guard::verdict::hold:
                return;
            case reply_guard::verdict::release:
                give_up_guard();
                if (at_risk_) {
                    statements_.confirm(target());
                }
                received.push_back(shown(reply));
                return;
            case reply_guard::verdict::refused:
                if (!held_ && !leased->requests.needs_sync() &&
                    leased->requests.ready_owed() <= 1 &&
                    statements_.can_repair(guard_.why(), leased->statements)) {
                    guard_.drop();
                } else {
                    give_up_guard();
                }
        }
    }

    void send_again() {
        std::string told;
        const std::vector<wire_message> again = messages_in(guard_.again(told));
        waiting_.insert(waiting_.begin(), again.begin(), again.end());
        statements_.undo(target());
        sent_again_ = true;
        repairs_++;
    }

    extended_query::server target() {
        return {
            leased->requests,
            leased->statements,
            limit_,
            &store_,
            settings_,
            store_,
            keeps_unnamed,
            unnamed_is_own};
    }

    void to_server(const wire_message& message) { leased->to_read.push_back(message); }

    bool share(request what, const wire_message& next) {
        extended_query::server to = target();
        std::string out;
        auto step = statements_.on_message(what, next.body, next.body.size(), to, out);
        for (const wire_message& one : messages_in(out)) {
            to_server(one);
        }
        switch (step) {
            case extended_query::step::hold:
                give_up_guard();
                if (leased->requests.local_next()) {
                    answer();
                    return true;
                }
                held_ = true;
                return !out.empty();
            case extended_query::step::as_is:
                leased->requests.sent(what);
                to_server(next);
                break;
            case extended_query::step::noted:
                to_server(next);
                break;
            case extended_query::step::replaced:
                break;
            case extended_query::step::whole:
            case extended_query::step::too_long:
                ADD_FAILURE() << "all of it is here";
        }
        if (step != extended_query::step::hold && !to.unnamed) {
            note_unnamed(what, next);
        } else if (what == request::parse && to.unnamed) {
            unnamed_is_own = false;
            unnamed_turn = 0;
        }
        pinned = pinned || !to.pin.empty();
        at_risk_ = at_risk_ || to.at_risk;
        taken();
        return true;
    }

    void answer() {
        while (leased->requests.local_next()) {
            give({leased->requests.take_local() == request::parse ? '1' : '3'});
            settle();
        }
    }

    void settle() {
        const auto passed = leased->requests.take_passed();
        for (std::uint32_t i = 0; i < passed.done; i++) {
            statements_.on_effect(leased->statements.done(), leased->statements.last_rows());
        }
        for (std::uint32_t i = 0; i < passed.dropped; i++) {
            leased->statements.dropped();
        }
    }

    /// What an error is for the client.
    wire_message error_instead(const wire_message& reply) {
        if (leased->requests.notice_next()) {
            const auto& failed = leased->statements.queue()[leased->statements.head()];
            statements_.on_failure(failed);
            if (failed.what == statement_effect::kind::refuse) {
                failed.statement->retire();
                std::string error;
                protocol::put_error(error, protocol::severity::error, "0A000", "other columns");
                return {'E', error.substr(protocol::header_size)};
            }
        }
        const protocol::error_fields error = protocol::read_error(reply.body);
        if (error.sqlstate == "0A000") {
            leased->statements.retire_used_since(
                leased->requests.segment() -
                static_cast<std::uint32_t>(leased->requests.ready_owed())
            );
        }
        const auto ours = pool::find_statement_name(error.message);
        if (error.sqlstate == "26000" && ours) {
            leased->statements.lost(ours->number);
        }
        return reply;
    }

    void deliver(const wire_message& reply) {
        const wire_message seen = reply.type == 'E' ? error_instead(reply) : reply;
        if (reply.type == 'C' && reply.body == std::string("DEALLOCATE ALL", 15)) {
            leased->statements.clear();
            statements_.forget_all();
        }
        if (reply.type == 'T' && leased->statements.describing()) {
            leased->statements.rows_described(reply.body);
        }
        const auto verdict = reply.type == 'Z' ? leased->requests.ready(reply.body[0])
                                               : leased->requests.reply(reply.type);
        ASSERT_NE(verdict, protocol::pipeline::verdict::desync) << reply.type;
        settle();
        if (verdict == protocol::pipeline::verdict::forward) {
            give(seen);
        }
    }

    pool::statement_store& store_;
    const pool::parameter_set_ptr& settings_;
    std::size_t limit_;
    extended_query statements_;
    reply_guard guard_;
    bool sent_again_ = false;
    bool at_risk_ = false;
    int repairs_ = 0;
    std::deque<wire_message> waiting_;
    bool held_ = false;  // until a reply comes
};

/// Some servers and clients that share them.
class world {
public:
    world(unsigned seed, std::size_t limit, std::size_t servers)
        : random_(seed), limit_(limit), servers_(servers) {}

    struct member {
        std::unique_ptr<pooled_client> pooled;
        statement_backend own;
        std::vector<std::string> expected;
    };

    member& add_client() {
        members_.push_back(
            {std::make_unique<pooled_client>(store_, parameters_.empty(), limit_), {}, {}}
        );
        return members_.back();
    }

    /// The client sends this, and its own server reads it, too.
    void send(member& who, const std::string& bytes) {
        std::vector<wire_message> said;
        for (const wire_message& next : messages_in(bytes)) {
            who.own.read(next, said);
        }
        for (const wire_message& reply : said) {
            who.expected.push_back(shown(reply));
        }
        who.pooled->send(bytes);
        history += bytes + "\n";
    }

    /// Something happens: a message or a reply gets further.
    bool step(member& who) {
        pooled_client& c = *who.pooled;
        if (c.leased == nullptr) {
            if (!c.has_more()) {
                return false;
            }
            lease(c);
        }
        const bool first = random_() % 2 == 0;
        if ((first && c.send_one()) || read(*c.leased) ||
            (!c.leased->replies.empty() && (c.receive_one(), true)) || (!first && c.send_one())) {
            give_back(c);
            return true;
        }
        return false;
    }

    void settle(member& who) {
        for (int steps = 0; step(who) && !testing::Test::HasFatalFailure(); steps++) {
            ASSERT_LT(steps, 100'000) << "it waits for something that does not come: " << history;
        }
        for (std::size_t i = 0; i < who.expected.size(); i++) {
            ASSERT_EQ(
                i < who.pooled->received.size() ? who.pooled->received[i] : "", who.expected[i]
            ) << "reply "
              << i << " of\n"
              << history;
        }
        ASSERT_EQ(who.pooled->received.size(), who.expected.size()) << history;
        ASSERT_FALSE(who.pooled->has_more()) << history;
    }

    /// All at once, then all replies: one exchange of the client's.
    void exchange(member& who, const std::string& bytes) {
        send(who, bytes);
        settle(who);
    }

    void change_rows() {
        for (server& each : servers_) {
            each.backend.change_rows();
        }
        for (member& each : members_) {
            each.own.change_rows();
        }
    }

    pool::statement_store& store() { return store_; }

    server& at(std::size_t index) { return servers_[index]; }

    std::vector<member>& members() { return members_; }

    std::mt19937& random() { return random_; }

    std::string history;

private:
    void lease(pooled_client& c) {
        for (;;) {
            server& some = servers_[random_() % servers_.size()];
            const bool taken = std::any_of(members_.begin(), members_.end(), [&](const member& m) {
                return m.pooled->leased == &some;
            });
            if (!taken) {
                c.leased = &some;
                c.unnamed_is_own =
                    c.unnamed_turn != 0 && some.statements.unnamed_owner() == c.unnamed_turn;
                return;
            }
        }
    }

    bool read(server& from) {
        if (from.to_read.empty()) {
            return false;
        }
        std::vector<wire_message> said;
        from.backend.read(from.to_read.front(), said);
        from.to_read.pop_front();
        from.replies.insert(from.replies.end(), said.begin(), said.end());
        return true;
    }

    void give_back(pooled_client& c) {
        if (c.leased->requests.releasable() && c.leased->to_read.empty() &&
            c.leased->replies.empty() && !c.sending_again() && !c.pinned) {
            EXPECT_EQ(c.leased->statements.in_flight(), 0u);
            // One that could not be closed because of an error goes when the next is prepared.
            EXPECT_LE(c.leased->statements.size(), limit_ + 2);
            c.leased = nullptr;
        }
    }

    pool::parameter_store parameters_{{}};
    pool::statement_store store_{parameters_};
    std::mt19937 random_;
    std::size_t limit_;
    std::vector<server> servers_;
    std::vector<member> members_;
};

TEST(ExtendedQueryTest, StatementIsPreparedOnEveryServerThatNeedsIt) {
    world two(1, 10, 2);
    auto& client = two.add_client();
    two.exchange(client, parse("s", "x") + plain('S'));
    for (int i = 0; i < 20; i++) {
        two.exchange(client, run("s"));
    }
    EXPECT_EQ(two.at(0).backend.size(), 1u);
    EXPECT_EQ(two.at(1).backend.size(), 1u);
    EXPECT_EQ(two.store().size(), 1u);
}

TEST(ExtendedQueryTest, ClientsShareAStatementUnderDifferentNames) {
    world one(1, 10, 1);
    one.members().reserve(2);
    auto& a = one.add_client();
    auto& b = one.add_client();
    one.exchange(a, parse("a", "x") + run("a"));
    one.exchange(b, parse("b", "x") + run("b"));
    EXPECT_EQ(one.at(0).backend.size(), 1u);
    one.exchange(a, close("a") + plain('S'));
    one.exchange(a, run("a"));
    one.exchange(b, run("b"));
}

TEST(ExtendedQueryTest, TheServerHasNoMoreThanTheLimit) {
    world one(1, 3, 1);
    auto& client = one.add_client();
    for (int i = 0; i < 10; i++) {
        one.exchange(client, parse("s" + std::to_string(i), "x" + std::to_string(i)) + plain('S'));
    }
    EXPECT_EQ(one.at(0).backend.size(), 3u);
    for (int i = 9; i >= 0; i--) {
        one.exchange(client, run("s" + std::to_string(i)));
    }
    EXPECT_EQ(one.at(0).backend.size(), 3u);
}

TEST(ExtendedQueryTest, FailedParseLeavesNoTrace) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "syntax") + run("s"));
    EXPECT_EQ(client.pooled->names(), 0u);
    EXPECT_EQ(one.store().size(), 0u);
    one.exchange(client, parse("s", "x") + run("s"));
}

TEST(ExtendedQueryTest, AClosedNameIsForgottenWhenTheAnswerHasCome) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "x") + plain('S'));
    one.exchange(client, parse("t", "syntax") + close("s") + plain('S'));
    EXPECT_EQ(client.pooled->names(), 1u) << "it was skipped";
    one.exchange(client, close("s") + plain('S'));
    EXPECT_EQ(client.pooled->names(), 0u);
}

TEST(ExtendedQueryTest, MoreLocalAnswersThanFitAreGivenBeforeTheirSync) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "x") + plain('S'));
    std::string many;
    for (int i = 0; i < 300; i++) {
        many += parse("t" + std::to_string(i), "x");
    }
    one.exchange(client, many + plain('S'));
    EXPECT_EQ(client.pooled->names(), 301u);
}

TEST(ExtendedQueryTest, ServersThatReturnOtherColumnsThanTheClientWasToldAreNotUsed) {
    world two(1, 10, 2);
    auto& client = two.add_client();
    two.send(client, parse("s", "x") + describe("s") + plain('S'));
    two.settle(client);
    two.change_rows();
    // Wherever it is run, also where the statement is parsed anew, the client hears of it.
    for (int i = 0; i < 10; i++) {
        two.exchange(client, run("s"));
    }
    EXPECT_EQ(client.expected.back(), "Z:I");
    EXPECT_EQ(client.expected[client.expected.size() - 2], "E0A000");
    two.exchange(client, close("s") + parse("s", "x") + describe("s") + run("s"));
    EXPECT_EQ(client.expected[client.expected.size() - 3], "D:x") << "who prepares it again has it";
}

TEST(ExtendedQueryTest, NamesOfOursCannotBeReached) {
    world one(1, 10, 1);
    one.members().reserve(2);
    auto& a = one.add_client();
    auto& b = one.add_client();
    one.exchange(a, parse("s", "x") + plain('S'));
    for (const std::string name : {"PGWEIR_1", "PGWEIR_2", "PGWEIR_none"}) {
        one.exchange(b, run(name));
        one.exchange(b, describe(name) + plain('S'));
        EXPECT_EQ(b.expected[b.expected.size() - 2], "E26000");
    }
    one.exchange(b, parse("PGWEIR_1", "y") + run("PGWEIR_1"));
    one.exchange(a, run("s"));
}

// Unnamed statements.

const std::string again = parse("", "select 1") + run("");

TEST(ExtendedQueryTest, UnnamedStatementThatComesAgainIsParsedOnceOnEachServer) {
    world two(1, 10, 2);
    two.members().reserve(2);
    auto& a = two.add_client();
    auto& b = two.add_client();
    for (int i = 0; i < 20; i++) {
        two.exchange(a, again);
        two.exchange(b, parse("", "select 1") + describe("") + run(""));
    }
    // The first time it is like any other; then each server has it.
    EXPECT_EQ(two.at(0).backend.parses("select 1") + two.at(1).backend.parses("select 1"), 3);
    EXPECT_EQ(a.pooled->names(), 0u);
}

TEST(ExtendedQueryTest, UnnamedStatementsThatComeOnceCostNothing) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    for (int i = 0; i < 2000; i++) {
        one.exchange(client, parse("", "select " + std::to_string(i)) + run(""));
    }
    EXPECT_LE(one.at(0).backend.size(), 1u) << "the server's unnamed one";
}

TEST(ExtendedQueryTest, UnnamedStatementsAreLeftAloneIfTheSettingSaysSo) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    client.pooled->keeps_unnamed = false;
    for (int i = 0; i < 5; i++) {
        one.exchange(client, again);
    }
    EXPECT_EQ(one.at(0).backend.parses("select 1"), 5);
}

TEST(ExtendedQueryTest, UnnamedStatementsInTransactionsAreTheServersOwn) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, plain('Q', "begin"));
    for (int i = 0; i < 5; i++) {
        one.exchange(client, again);
    }
    one.exchange(client, plain('Q', "rollback"));
    EXPECT_EQ(one.at(0).backend.parses("select 1"), 5);
    for (int i = 0; i < 3; i++) {
        one.exchange(client, again + again);
    }
    EXPECT_EQ(one.at(0).backend.parses("select 1"), 10)
        << "the first time, the second, and whatever is behind another one in a pipeline";
}

TEST(ExtendedQueryTest, UnnamedStatementOutlivesItsTransaction) {
    world three(5, 10, 3);
    auto& client = three.add_client();
    three.exchange(client, again);
    three.exchange(client, parse("", "select 1") + plain('S'));
    for (int i = 0; i < 20; i++) {
        three.exchange(client, run(""));
        three.exchange(client, describe("") + plain('S'));
        three.exchange(client, bound("") + plain('E') + bound("") + plain('E') + plain('S'));
    }
    EXPECT_EQ(client.expected[client.expected.size() - 3], "D:select 1");
}

TEST(ExtendedQueryTest, UnnamedStatementIsGoneWhenPostgresDropsIt) {
    const std::string kept = parse("", "select 1") + plain('S');
    const std::vector<std::string> ends = {
        plain('Q', "x"),
        plain('Q', "fail"),
        plain('Q', "deallocate all"),
        close("") + plain('S'),
        parse("", "syntax") + plain('S'),
        parse("", "select 2 from syntax") + close("") + plain('S'),
        parse("", "x") + parse("", "syntax") + plain('S'),
        bound("") + plain('E') + plain('S') + plain('Q', "x"),
        plain('Q', "begin") + parse("", "syntax") + plain('S') + plain('Q', "rollback"),
    };
    for (const std::string& end : ends) {
        world three(5, 10, 3);
        auto& client = three.add_client();
        three.exchange(client, again);
        three.exchange(client, kept);
        three.exchange(client, end);
        three.exchange(client, run(""));
        EXPECT_EQ(client.expected[client.expected.size() - 2], "E26000") << end;
        three.exchange(client, again);
    }
}

TEST(ExtendedQueryTest, UnnamedStatementStaysWhereItsSuccessorIsSkipped) {
    world three(5, 10, 3);
    auto& client = three.add_client();
    three.exchange(client, again);
    three.exchange(client, parse("", "select 1") + plain('S'));
    three.exchange(client, bound("nobody") + parse("", "x") + close("") + plain('S'));
    three.exchange(client, run(""));
    EXPECT_EQ(client.expected[client.expected.size() - 3], "D:select 1");
}

TEST(ExtendedQueryTest, SuccessorOfAnUnnamedStatementIsTheOneThatRuns) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    const auto ran = [](std::string_view name) { return bound(name) + plain('E'); };
    one.exchange(client, again);
    one.exchange(client, parse("", "select 1") + plain('S'));
    one.exchange(
        client, ran("") + parse("", "y") + ran("") + parse("", "select 1") + ran("") + plain('S')
    );
    one.exchange(client, again + parse("", "x") + run("") + again);
    one.exchange(client, again);
}

TEST(ExtendedQueryTest, WhoPipelinesHasUnnamedStatementsOfItsOwnSoonerOrLater) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    for (int i = 0; i < 10; i++) {
        one.exchange(client, again + again + again);
        one.change_rows();
    }
    EXPECT_LE(client.pooled->repairs(), 1);
    EXPECT_FALSE(client.pooled->keeps_unnamed);
}

TEST(ExtendedQueryTest, NobodyRunsAnUnnamedStatementOfAnotherClient) {
    world one(1, 10, 1);
    one.members().reserve(2);
    auto& a = one.add_client();
    auto& b = one.add_client();
    one.exchange(a, parse("", "x") + run(""));
    one.exchange(b, run(""));
    EXPECT_EQ(b.expected[b.expected.size() - 2], "E26000");
    one.exchange(b, describe("") + plain('S'));
    one.exchange(b, parse("", "y") + run(""));
}

TEST(ExtendedQueryTest, UnnamedStatementIsThereAsLongAsNobodyElseHadTheServer) {
    world one(1, 10, 1);
    one.members().reserve(2);
    auto& a = one.add_client();
    auto& b = one.add_client();
    one.exchange(a, parse("", "x") + plain('S'));
    one.exchange(a, describe("") + plain('S'));
    one.exchange(b, parse("s", "x") + run("s"));
    one.exchange(a, run(""));
    EXPECT_EQ(a.expected[a.expected.size() - 3], "D:x");
}

TEST(ExtendedQueryTest, UnnamedStatementsTakeNoRoomFromNamedOnes) {
    world one(1, 2, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("a", "x") + plain('S'));
    for (int i = 0; i < 3; i++) {
        one.exchange(client, again);
        one.exchange(client, parse("", "select 2") + run(""));
    }
    EXPECT_EQ(one.at(0).statements.size(), 2u);
    one.exchange(client, run("a"));
    one.exchange(client, parse("b", "y") + plain('S'));
    for (int i = 0; i < 3; i++) {
        one.exchange(client, again);
    }
    one.exchange(client, run("a"));
    one.exchange(client, run("b"));
    EXPECT_EQ(one.at(0).backend.parses("x"), 1);
    EXPECT_EQ(one.at(0).backend.parses("y"), 1);
}

// Repair.

TEST(ExtendedQueryRepairTest, WhatAFunctionDeallocatedIsPreparedAgain) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "x") + parse("t", "y") + plain('S'));
    one.exchange(client, again);
    one.exchange(client, again);
    one.at(0).backend.forget();
    one.exchange(client, run("s"));
    one.exchange(client, run("t"));
    one.exchange(client, again);
    EXPECT_EQ(client.pooled->repairs(), 1) << "what was lost with it is known";
    one.at(0).backend.forget();
    one.exchange(client, again);
    one.exchange(client, describe("s") + plain('S'));
    one.at(0).backend.forget();
    one.exchange(client, describe("t") + plain('S'));
    one.at(0).backend.forget();
    one.exchange(
        client,
        close("s") + parse("s", "z") + bound("t") + plain('E') + bound("s") + plain('E') +
            plain('S')
    );
    EXPECT_EQ(client.pooled->repairs(), 3);
    one.exchange(client, run("s"));
}

TEST(ExtendedQueryRepairTest, NamesThatTheClientDoesNotHaveAreNoLoss) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "x") + plain('S'));
    one.exchange(client, bound("s") + bound("nobody") + plain('S'));
    one.exchange(client, bound("s") + bound("PGWEIR_1") + plain('S'));
    EXPECT_EQ(client.pooled->repairs(), 0);
}

TEST(ExtendedQueryRepairTest, WhoPreparesAfterAChangeNeverHearsOfIt) {
    world one(1, 10, 1);
    one.members().reserve(3);
    auto& old = one.add_client();
    auto& young = one.add_client();
    auto& later = one.add_client();
    one.exchange(old, parse("s", "x") + describe("s") + run("s"));
    one.change_rows();
    one.exchange(young, parse("mine", "x") + describe("mine") + run("mine"));
    EXPECT_EQ(young.pooled->repairs(), 1);
    one.exchange(young, run("mine"));
    one.exchange(old, run("s"));
    EXPECT_EQ(old.expected[old.expected.size() - 2], "E0A000")
        << "it keeps the columns that it knows";
    one.exchange(old, parse("t", "x") + run("t"));
    one.exchange(later, parse("s", "x") + run("s"));
    EXPECT_EQ(later.pooled->repairs(), 0) << "everybody else has the new one";
}

TEST(ExtendedQueryRepairTest, WhoPreparedBeforeTheServerDidIsTold) {
    world two(3, 10, 2);
    auto& client = two.add_client();
    two.exchange(client, parse("s", "x") + plain('S'));
    for (int i = 0; i < 10; i++) {
        two.exchange(client, run("s"));
    }
    two.change_rows();
    two.exchange(client, run("s"));
    EXPECT_EQ(client.expected[client.expected.size() - 2], "E0A000");
    EXPECT_EQ(client.pooled->repairs(), 0);
}

TEST(ExtendedQueryRepairTest, ParseInAnEarlierSegmentCountsToo) {
    world one(1, 10, 1);
    one.members().reserve(2);
    auto& old = one.add_client();
    auto& young = one.add_client();
    one.exchange(old, parse("s", "x") + run("s"));
    one.change_rows();
    one.exchange(young, parse("mine", "x") + plain('S'));
    one.exchange(young, run("mine"));
    EXPECT_EQ(young.pooled->repairs(), 1);
    one.exchange(young, run("mine"));
    one.exchange(old, run("s"));
    EXPECT_EQ(old.expected[old.expected.size() - 2], "E0A000");
}

TEST(ExtendedQueryRepairTest, UnnamedStatementIsAlwaysAsNewAsItsParse) {
    world two(3, 10, 2);
    auto& client = two.add_client();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++) {
            two.exchange(client, again);
        }
        two.change_rows();
    }
    for (int i = 0; i < 10; i++) {
        two.exchange(client, parse("", "select 1") + describe("") + run(""));
    }
    EXPECT_GT(client.pooled->repairs(), 0);
}

TEST(ExtendedQueryRepairTest, TransactionsAndFlushesAreNotRepaired) {
    world one(1, 10, 1);
    auto& client = one.add_client();
    one.exchange(client, parse("s", "x") + plain('S'));
    for (const std::string& segment : {plain('Q', "begin"), std::string()}) {
        one.exchange(client, segment);
        one.at(0).backend.forget();
        client.own.forget();
        one.exchange(
            client, bound("s") + plain('E') + (segment.empty() ? plain('H') : "") + plain('S')
        );
        EXPECT_EQ(client.expected[client.expected.size() - 2], "E26000");
        one.exchange(client, plain('Q', "rollback"));
        one.exchange(client, close("s") + parse("s", "x") + run("s"));
    }
    EXPECT_EQ(client.pooled->repairs(), 0);
}

/// Random clients on a few servers.
class storm {
public:
    storm(unsigned seed, std::size_t limit) : world_(seed, limit, 3) {
        world_.members().reserve(3);
        for (int i = 0; i < 3; i++) {
            world_.add_client();
        }
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); i++) {
            auto& who = world_.members()[below(3)];
            if (below(3) == 0) {
                world_.send(who, unit());
            }
            for (unsigned moves = below(12); moves > 0; moves--) {
                world_.step(who);
            }
        }
        for (auto& who : world_.members()) {
            world_.send(who, plain('S') + plain('Q', "rollback"));
            world_.settle(who);
        }
    }

private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(world_.random()() % limit); }

    std::string name() { return {"abc"[below(3)]}; }

    /// The unnamed statement, within one segment: what it is later depends on where that is.
    std::string unnamed() {
        const std::string text = below(2) == 0   ? "select 1"
                                 : below(2) == 0 ? "select 2"
                                                 : text_of();
        std::string out = parse("", text);
        for (unsigned count = below(4); count > 0; count--) {
            out += below(3) == 0 ? describe("") : bound("") + plain('E');
        }
        return below(3) == 0 ? out + close("") : out;
    }

    std::string text_of() {
        const std::vector<std::string> texts = {
            "x", "x", "y", "z", "begin", "rollback", "fail", "syntax"};
        return texts[below(static_cast<unsigned>(texts.size()))];
    }

    std::string unit() {
        std::string out;
        if (below(12) == 0) {
            return plain(
                'Q',
                below(2) == 0   ? "deallocate all"
                : below(2) == 0 ? "begin"
                                : "rollback"
            );
        }
        for (unsigned count = below(6); count > 0; count--) {
            switch (below(9)) {
                case 0:
                case 1:
                    out += parse(name(), text_of());
                    break;
                case 7:
                case 8:
                    out += unnamed();
                    break;
                case 2:
                case 3:
                    out += bound(name()) + plain('E');
                    break;
                case 4:
                    out += describe(name());
                    break;
                case 5:
                    out += close(name());
                    break;
                default:
                    out += plain('H');
            }
        }
        return out + plain('S');
    }

    world world_;
};

TEST(ExtendedQueryModelTest, ClientsOnSharedServersSeeWhatTheyWouldSeeAlone) {
    for (unsigned seed = 1; seed <= 600 && !testing::Test::HasFatalFailure(); seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        storm(seed, seed % 4 == 0 ? 1 : seed % 4 == 1 ? 2 : 20).run(150);
    }
}

}  // namespace
}  // namespace pgweir::session
