#pragma once

// One session of the console: decides what a client's message asks for and writes the answer. It
// reaches no pool: what it needs done or shown it returns as an action, and its driver carries that
// out.
//
//   on_message ── reply ──────────────────────────► send `out`
//              ── show   (a snapshot of show()) ──► render(snapshot, out), send
//              ── run    (carry out operation()) ─► finished(result, out), send
//              ── close ──────────────────────────► send `out`, close
//
// While a show or run is under way (`busy`) no message may be handed in; the driver keeps what
// arrives. Simple queries and the extended protocol are both understood: a statement without
// parameters that holds one command, named or not, described before it runs. An error in the
// extended protocol skips to Sync. Errors keep PgBouncer's SQLSTATE 08P01, which tools look for;
// those about statements and portals are PostgreSQL's. Whoever is not admin is refused every
// command that changes something.
//
// PostgreSQL's manual: "Message Flow": "Simple Query", "Extended Query".
// One thread. Bounded: at most `statement_limit` statements and portals. No I/O, no clock.

#include "admin/command.hpp"
#include "admin/result.hpp"
#include "admin/snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace pgweir::admin {

enum class access_level : std::uint8_t {
    stats,  ///< may look (stats_users)
    admin,  ///< may look and change (admin_users)
};

/// How an operation ended. Empty `error`: well.
struct operation_result {
    std::string error = {};
    std::string sqlstate = "08P01";  // of the error; RELOAD's is always F0000
    std::string notice = {};         // told to the client besides success
};

class console {
public:
    enum class action : std::uint8_t {
        reply,  ///< send what was written, which may be nothing
        show,   ///< a snapshot is needed
        run,    ///< an operation is to be carried out
        close,  ///< send what was written and close
    };

    static constexpr std::size_t statement_limit = 100;

    explicit console(access_level access) noexcept : access_(access) {}

    /// One message of the client after log-in: its type and its body.
    /// REQUIRES: !busy().
    action on_message(char type, std::string_view body, std::string& out);

    /// True from action::show until `render`, and from action::run until `finished`.
    bool busy() const noexcept { return pending_ != pending::nothing; }

    /// What is to be shown. After action::show.
    show_kind show() const noexcept { return show_; }

    /// What is to be done. After action::run, until `finished`.
    const operation& requested() const noexcept { return operation_; }

    /// Answers the SHOW under way.
    void render(const snapshot& data, std::string& out);

    /// Answers the operation under way. An immediate SHUTDOWN is not answered, the process just
    /// ends.
    void finished(const operation_result& how, std::string& out);

private:
    struct portal {
        command what;
        column_formats formats;
        bool ran = false;
        std::string rows;  // DataRows not yet sent, behind a row limit of Execute
    };

    enum class pending : std::uint8_t { nothing, show, run };
    enum class flow : std::uint8_t { simple, extended };

    action on_query(std::string_view body, std::string& out);
    action on_parse(std::string_view body, std::string& out);
    action on_bind(std::string_view body, std::string& out);
    action on_describe(std::string_view body, std::string& out);
    action on_execute(std::string_view body, std::string& out);
    action on_close(std::string_view body, std::string& out);
    action on_sync(std::string& out);

    action start(const command& what, std::string& out);
    action start_show(show_kind what, std::string& out);
    action start_operation(const operation& what, std::string& out);
    action answer_show(const snapshot& data, std::string& out);
    action answer_parameter(const show_parameter& parameter, std::string& out);
    action send_rows(portal& from, std::string& out);
    action complete(std::string_view tag, std::string& out);
    action end_statement(std::string& out);
    action fail(
        std::string_view sqlstate,
        std::string_view message,
        std::string& out,
        std::string_view detail = {}
    );
    action broken(std::string_view message, std::string& out);

    const access_level access_;
    flow flow_ = flow::simple;
    pending pending_ = pending::nothing;
    bool skipping_ = false;  // an error of the extended protocol, until Sync
    show_kind show_ = show_kind::version;
    operation operation_;
    portal* running_ = nullptr;   // of the Execute under way
    std::int32_t row_limit_ = 0;  // of the Execute under way
    std::map<std::string, command, std::less<>> statements_;
    std::map<std::string, portal, std::less<>> portals_;
};

}  // namespace pgweir::admin
