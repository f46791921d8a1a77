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
        const bool execute = what == request::execute && statements_.concerns_execute();
        if (execute || extended_query::concerns(what, next.body)) {
            return share(what, next);
        }
        leased->requests.sent(what);
        to_server(next);
        if (what == request::flush) {
            answer();
        }
        waiting_.pop_front();
        return true;
    }

    void receive_one() {
        held_ = false;
        const wire_message reply = leased->replies.front();
        leased->replies.pop_front();
        answer();
        deliver(reply);
        answer();
    }

    std::size_t names() const { return statements_.size(); }

private:
    void to_server(const wire_message& message) { leased->to_read.push_back(message); }

    bool share(request what, const wire_message& next) {
        extended_query::server to{
            leased->requests, leased->statements, limit_, &store_, settings_, store_};
        std::string out;
        auto step = statements_.on_message(what, next.body, next.body.size(), to, out);
        for (const wire_message& one : messages_in(out)) {
            to_server(one);
        }
        switch (step) {
            case extended_query::step::hold:
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
        waiting_.pop_front();
        return true;
    }

    void answer() {
        while (leased->requests.local_next()) {
            received.push_back(leased->requests.take_local() == request::parse ? "1" : "3");
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
    std::string error_shown(const wire_message& reply) {
        if (leased->requests.notice_next()) {
            const auto& failed = leased->statements.queue()[leased->statements.head()];
            if (failed.what == statement_effect::kind::refuse) {
                failed.statement->retire();
                return "E0A000";
            }
        }
        if (shown(reply) == "E0A000") {
            leased->statements.retire_used_since(
                leased->requests.segment() -
                static_cast<std::uint32_t>(leased->requests.ready_owed())
            );
        }
        return shown(reply);
    }

    void deliver(const wire_message& reply) {
        const std::string seen = reply.type == 'E' ? error_shown(reply) : shown(reply);
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
            received.push_back(seen);
        }
    }

    pool::statement_store& store_;
    const pool::parameter_set_ptr& settings_;
    std::size_t limit_;
    extended_query statements_;
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
        ASSERT_EQ(who.pooled->received, who.expected) << history;
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
            c.leased->replies.empty()) {
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

    std::string text() {
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
            switch (below(7)) {
                case 0:
                case 1:
                    out += parse(name(), text());
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
