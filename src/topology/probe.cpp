#include "topology/probe.hpp"

#include "base/wal_position.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

namespace pgweir::topology {

namespace {

constexpr const char* application_name = "pgweir topology";
constexpr const char* statement_name = "topology";

constexpr const char* what_stays =
    "SELECT s.system_identifier,"
    " pg_catalog.trunc(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())"
    "::pg_catalog.numeric * 1000000),"
    " pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')),"
    " pg_catalog.current_setting('wal_block_size')"
    " FROM pg_catalog.pg_control_system() AS s";

// What is read in `me` is read before the receiver is looked at: a standby that changes its
// timeline in between has replayed what belongs to both. The part that belongs to the other role
// raises an error where it is evaluated, so it is not. Functions that are volatile keep the parts
// in `WITH` from being joined into one. A transaction that is not known yet has no status, but an
// error.
constexpr const char* what_changes =
    "WITH who AS (SELECT pg_catalog.pg_is_in_recovery() AS standby),"
    " me AS (SELECT who.standby,"
    " CASE WHEN NOT standby THEN pg_catalog.pg_current_wal_insert_lsn() END AS inserted,"
    " CASE WHEN NOT standby THEN pg_catalog.pg_current_wal_flush_lsn() END AS flushed,"
    " CASE WHEN NOT standby THEN pg_catalog.substr("
    "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END AS timeline,"
    " CASE WHEN standby THEN pg_catalog.pg_last_wal_replay_lsn() END AS replayed,"
    " CASE WHEN standby THEN pg_catalog.pg_last_wal_receive_lsn() END AS received,"
    " CASE WHEN standby THEN pg_catalog.trunc(pg_catalog.date_part('epoch',"
    " pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())"
    "::pg_catalog.numeric * 1000000) END AS commit_age"
    " FROM who)"
    " SELECT me.standby, me.inserted, me.flushed, me.timeline, me.replayed, me.received,"
    " me.commit_age, r.pid, r.status, r.received_tli, pg_catalog.txid_current_snapshot(),"
    " CASE WHEN me.standby THEN (SELECT pg_catalog.string_agg(x.number::pg_catalog.text, ',')"
    " FROM pg_catalog.unnest($1::pg_catalog.int8[]) AS x(number) WHERE CASE"
    " WHEN x.number >= pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) THEN true"
    " ELSE pg_catalog.txid_status(x.number) IN ('in progress', 'aborted') END) END"
    " FROM me LEFT JOIN pg_catalog.pg_stat_wal_receiver AS r ON me.standby";

enum column : std::size_t {
    standby,
    inserted,
    flushed,
    primary_timeline,
    replayed,
    received,
    commit_age,
    receiver_pid,
    receiver_status,
    receiver_timeline,
    snapshot,
    unseen,
    column_count,
};

template <typename Number>
std::optional<Number> number(const std::optional<std::string>& text, int base = 10) {
    Number value = 0;
    if (!text) {
        return std::nullopt;
    }
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), value, base);
    if (error != std::errc() || end != text->data() + text->size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> lsn(const std::optional<std::string>& text) {
    return text ? read_lsn(*text) : std::nullopt;
}

receiver_state receiver_of(const text_row& row) {
    if (!row[receiver_pid]) {
        return receiver_state::absent;
    }
    if (!row[receiver_status]) {
        return receiver_state::hidden;
    }
    return *row[receiver_status] == "streaming" ? receiver_state::streaming : receiver_state::other;
}

std::uint64_t next_incarnation() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

std::optional<answer> read_answer(const text_row& row) {
    if (row.size() != column_count || (row[standby] != "t" && row[standby] != "f")) {
        return std::nullopt;
    }
    answer made;
    made.in_recovery = row[standby] == "t";
    made.inserted = lsn(row[inserted]);
    made.flushed = lsn(row[flushed]);
    made.replayed = lsn(row[replayed]);
    made.received = lsn(row[received]);
    made.timeline = made.in_recovery ? number<std::uint32_t>(row[receiver_timeline]).value_or(0)
                                     : number<std::uint32_t>(row[primary_timeline], 16).value_or(0);
    if (const auto age = number<std::int64_t>(row[commit_age])) {
        made.commit_age = microseconds(std::max<std::int64_t>(*age, 0));
    }
    made.receiver = receiver_of(row);
    if (row[snapshot]) {
        made.snapshot = read_snapshot(*row[snapshot]);
    }
    made.unseen = read_transactions(row[unseen].value_or("")).value_or(made.unseen);
    return made;
}

result<void> probe::connect(const patience& limits) {
    auto made = pq_connection::open(to_, application_name, limits);
    if (!made) {
        return made.error();
    }
    connection_ = std::move(*made);
    if (const auto greeted = greet(limits); !greeted) {
        close();
        return greeted.error();
    }
    return {};
}

result<void> probe::greet(const patience& limits) {
    const auto rows = connection_->query(what_stays, limits);
    if (!rows) {
        return rows.error();
    }
    known_ = answer{};
    if (rows->size() == 1 && rows->front().size() == 4) {
        const text_row& row = rows->front();
        // It is shown as a bigint, which has a sign.
        known_.system_identifier =
            static_cast<std::uint64_t>(number<std::int64_t>(row[0]).value_or(0));
        known_.started_at = number<std::int64_t>(row[1]).value_or(0);
        known_.segment_size = number<std::uint64_t>(row[2]).value_or(0);
        known_.page_size = number<std::uint64_t>(row[3]).value_or(0);
    }
    if (known_.system_identifier == 0) {
        return failure{"it does not tell its system identifier"};
    }
    known_.address = connection_->address();
    known_.incarnation = next_incarnation();
    return connection_->prepare(statement_name, what_changes, limits);
}

result<answer> probe::ask(const std::vector<transaction_number>& running, const patience& limits) {
    const steady_time asked_at = std::chrono::steady_clock::now();
    const auto rows =
        connection_->run(statement_name, {fmt::format("{{{}}}", fmt::join(running, ","))}, limits);
    if (!rows) {
        return rows.error();
    }
    auto read = rows->size() == 1 ? read_answer(rows->front()) : std::nullopt;
    if (!read) {
        return failure{"its answer is not understood"};
    }
    read->address = known_.address;
    read->incarnation = known_.incarnation;
    read->system_identifier = known_.system_identifier;
    read->started_at = known_.started_at;
    read->segment_size = known_.segment_size;
    read->page_size = known_.page_size;
    read->asked_at = asked_at;
    return *std::move(read);
}

}  // namespace pgweir::topology
