// The pipeline against a simulated backend, with random clients and random timing: what it says
// must be true whatever is under way in either direction.

#include "protocol/pipeline.hpp"
#include "unit/protocol/simulated_backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace pgweir::protocol {
namespace {

using test::message;
using test::reply;
using test::simulated_backend;
using test::statement;

/// Whether a client sends Sync where a COPY FROM STDIN swallows it, which leaves doubts if it
/// fails.
enum class syncs_in_copy { never, often };

class random_client {
public:
    random_client(std::uint32_t seed, syncs_in_copy syncs) : random_(seed), syncs_(syncs) {}

    bool chance(unsigned percent) { return random_() % 100 < percent; }

    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    /// Messages that a client could send in a row.
    std::deque<message> unit() {
        unit_.clear();
        switch (below(8)) {
            case 0:
            case 1:
                query(below(3) + 1, false);
                break;
            case 2:
            case 3:
            case 4:
                batch();
                break;
            case 5:
                copy_by_query();
                break;
            case 6:
                copy_by_execute();
                break;
            default:
                odd_one();
        }
        return std::move(unit_);
    }

    static message own_query() {
        message sent{.type = 'Q', .own = true};
        sent.statements.push_back({});
        return sent;
    }

private:
    void put(char type) { unit_.push_back({.type = type}); }

    statement any_statement(bool alone) {
        using kind = statement::kind;
        switch (below(9)) {
            case 0:
                return {chance(50) ? kind::begin : kind::commit};
            case 1:
                return {kind::commit};
            case 2:
                return {kind::error};
            case 3:
                return {kind::copy_out};
            case 4:
                return {alone ? kind::empty : kind::rows};
            default:
                return {kind::rows};
        }
    }

    statement copy_in() {
        return {statement::kind::copy_in, chance(60) ? -1 : static_cast<int>(below(3))};
    }

    void query(unsigned statements, bool copies) {
        message sent{.type = 'Q'};
        for (unsigned count = 0; count < statements; ++count) {
            sent.statements.push_back(copies ? copy_in() : any_statement(statements == 1));
        }
        unit_.push_back(sent);
    }

    void execute(statement what) {
        message sent{.type = 'E', .suspends = chance(20)};
        sent.statements.push_back(what);
        unit_.push_back(sent);
    }

    void batch() {
        for (unsigned count = below(6); count > 0; --count) {
            const char type = "PBDECH"[below(6)];
            if (type == 'E') {
                execute(any_statement(true));
            } else {
                unit_.push_back({.type = type, .fails = chance(10), .suspends = chance(50)});
            }
        }
        if (chance(85)) {
            unit_.push_back({.type = 'S', .fails = chance(5)});
        }
    }

    void copy_data() {
        for (unsigned count = below(5); count > 0; --count) {
            put(syncs_ == syncs_in_copy::often && chance(20) ? 'S' : chance(80) ? 'd' : 'H');
        }
        put(chance(80) ? 'c' : 'f');
        if (chance(5)) {
            put('c');
        }
    }

    void copy_by_query() {
        const unsigned copies = chance(70) ? 1 : 2;
        query(copies, true);
        for (unsigned count = 0; count < copies; ++count) {
            copy_data();
        }
    }

    void copy_by_execute() {
        put('P');
        put('B');
        execute(copy_in());
        if (syncs_ == syncs_in_copy::often && chance(60)) {
            put('S');
        }
        copy_data();
        put('S');
    }

    void odd_one() {
        if (chance(30)) {
            unit_.push_back({.type = 'F', .fails = chance(20)});
        } else {
            put("cfdHS"[below(5)]);
        }
    }

    std::mt19937 random_;
    syncs_in_copy syncs_;
    std::deque<message> unit_;
};

class model {
public:
    model(std::uint32_t seed, syncs_in_copy syncs) : client_(seed, syncs), syncs_(syncs) {}

    void run(int steps) {
        for (int step = 0; step < steps && alive(); ++step) {
            move();
            check();
            if (client_.chance(3)) {
                come_to_rest();
            }
        }
        come_to_rest();
    }

    bool desynced() const { return desynced_; }

    int released() const { return released_; }

private:
    bool alive() const {
        return !desynced_ && !backend_.dead() && !testing::Test::HasFatalFailure();
    }

    bool drained() const { return unread_.empty() && replies_.empty(); }

    void come_to_rest() {
        while (alive() && !drained()) {
            unread_.empty() ? deliver() : read();
            check();
        }
        if (alive()) {
            check_drained();
        }
    }

    void move() {
        switch (client_.below(3)) {
            case 0:
                send();
                break;
            case 1:
                read();
                break;
            default:
                deliver();
        }
    }

    void send() {
        if (to_send_.empty()) {
            const bool own_allowed = !owed_.needs_sync() && !owed_.copy_in_open();
            if (own_allowed && client_.chance(15)) {
                to_send_.push_back(random_client::own_query());
            } else {
                to_send_ = client_.unit();
            }
        }
        if (to_send_.empty()) {
            return;
        }
        const message next = to_send_.front();
        to_send_.pop_front();
        owed_.sent(*request_of(next.type), next.own ? origin::pooler : origin::client);
        unread_.push_back(next);
        history_ += next.type;
    }

    void read() {
        if (unread_.empty()) {
            return;
        }
        std::vector<reply> said;
        backend_.read(unread_.front(), said);
        unread_.pop_front();
        for (const reply& each : said) {
            if (client_.chance(5)) {
                replies_.push_back({"NAS"[client_.below(3)]});
            }
            replies_.push_back(each);
        }
    }

    void deliver() {
        if (replies_.empty()) {
            return;
        }
        const reply next = replies_.front();
        replies_.pop_front();
        history_ += {' ', next.type, ' '};
        const bool in_doubt = owed_.ready_owed() != 0 && syncs_ == syncs_in_copy::often;
        const auto verdict = next.type == 'Z' ? owed_.ready(next.status) : owed_.reply(next.type);
        if (verdict == pipeline::verdict::desync) {
            desynced_ = true;
            ASSERT_EQ(syncs_, syncs_in_copy::often) << history_;
            ASSERT_FALSE(owed_.settled());
        } else if (next.type != 'N' && !in_doubt) {
            ASSERT_EQ(verdict == pipeline::verdict::own, next.own) << history_;
        }
    }

    /// What the backend will still say if nothing more is sent.
    std::vector<reply> to_come() const {
        std::vector<reply> said(replies_.begin(), replies_.end());
        simulated_backend ahead = backend_;
        for (const message& next : unread_) {
            ahead.read(next, said);
        }
        said.erase(
            std::remove_if(
                said.begin(),
                said.end(),
                [](const reply& each) {
                    return each.type == 'A' || each.type == 'N' || each.type == 'S';
                }
            ),
            said.end()
        );
        return said;
    }

    void check() {
        if (!alive()) {
            return;
        }
        if (owed_.settled()) {
            ASSERT_TRUE(to_come().empty()) << history_;
            ASSERT_TRUE(backend_.at_rest()) << history_;
            ASSERT_EQ(static_cast<char>(owed_.status()), backend_.status()) << history_;
        }
        const auto said = to_come();
        const auto readies = std::count_if(said.begin(), said.end(), [](const reply& each) {
            return each.type == 'Z';
        });
        ASSERT_GE(owed_.ready_owed(), static_cast<std::size_t>(readies)) << history_;
    }

    void check_drained() {
        if (owed_.in_doubt()) {
            ASSERT_EQ(syncs_, syncs_in_copy::often);
            return;
        }
        ASSERT_EQ(owed_.settled(), backend_.at_rest()) << history_;
        if (!backend_.in_copy_of_query()) {  // A Query ends the implicit transaction by itself.
            ASSERT_EQ(owed_.needs_sync(), backend_.needs_sync()) << history_;
        }
        ASSERT_EQ(owed_.copy_in_open(), backend_.in_copy()) << history_;
        released_ += owed_.releasable() ? 1 : 0;
    }

    random_client client_;
    syncs_in_copy syncs_;
    pipeline owed_;
    simulated_backend backend_;
    std::deque<message> to_send_;
    std::deque<message> unread_;
    std::deque<reply> replies_;
    std::string history_;
    bool desynced_ = false;
    int released_ = 0;
};

struct totals {
    int desynced = 0;
    int released = 0;
};

totals run_models(int runs, int steps, syncs_in_copy syncs) {
    totals sum;
    for (int seed = 1; seed <= runs && !testing::Test::HasFatalFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        model one(static_cast<std::uint32_t>(seed), syncs);
        one.run(steps);
        sum.desynced += one.desynced() ? 1 : 0;
        sum.released += one.released();
    }
    return sum;
}

TEST(PipelineModelTest, AgreesWithTheBackend) {
    const totals sum = run_models(1500, 300, syncs_in_copy::never);
    EXPECT_EQ(sum.desynced, 0);
    EXPECT_GT(sum.released, 1500) << "runs must come to rest now and then";
}

TEST(PipelineModelTest, NeverSettlesTooEarlyWhenCopiesSwallowSyncs) {
    const totals sum = run_models(1500, 300, syncs_in_copy::often);
    EXPECT_GT(sum.released, 1000);
    EXPECT_LT(sum.desynced, 150) << "only what nobody can know may end a server";
}

}  // namespace
}  // namespace pgweir::protocol
