#pragma once

// A connection through libpq that never waits longer than it is told to, and that can be called
// away from by its `patience`. One thread at a time. Errors are values, in one line and in the
// server's own words where it has said any. A connection on which a request did not come to its end
// is of no use any more.
// PostgreSQL's manual: "libpq".

#include "base/result.hpp"
#include "topology/interrupt.hpp"
#include "topology/server_access.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgweir::topology {

/// How long to wait for something, and who may call the waiting off.
struct patience {
    interrupt& by;
    std::function<bool()> called_off;
    steady_time until;
};

/// NULL is nullopt.
using text_row = std::vector<std::optional<std::string>>;

class pq_connection {
public:
    /// Resolves the host's name (which takes as long as the system's resolver does) and tries its
    /// addresses in turn.
    static result<pq_connection> open(
        const server_access& to, const char* application_name, const patience& limits
    );

    /// Runs a text of one statement; the rows of its answer.
    result<std::vector<text_row>> query(const std::string& text, const patience& limits);

    /// The same, with rows handed on one by one as they come; views are valid during the call.
    using row_sink = std::function<void(std::span<const std::optional<std::string_view>> row)>;
    result<void> query(const std::string& text, const row_sink& each, const patience& limits);

    /// Has a statement parsed once, to be run under its name with run().
    result<void> prepare(const char* name, const std::string& text, const patience& limits);
    result<std::vector<text_row>> run(
        const char* name, const std::vector<std::string>& values, const patience& limits
    );

    /// Whether the server is still there, as far as is known without asking.
    bool alive() noexcept;

    int socket() const noexcept;

    /// Where it leads: a number, or a directory of sockets.
    const std::string& address() const noexcept { return address_; }

private:
    struct closer {
        void operator()(pg_conn* handle) const noexcept;
    };

    struct freer {
        void operator()(pg_result* handle) const noexcept;
    };

    using answer_handle = std::unique_ptr<pg_result, freer>;

    pq_connection(pg_conn* handle, std::string address)
        : handle_(handle), address_(std::move(address)) {}

    static result<pq_connection> open_one(
        const server_access& to,
        const std::string& address,
        const char* application_name,
        const patience& limits
    );

    result<void> login(const patience& limits);
    result<void> wait(readiness what, const patience& limits);
    result<answer_handle> next_answer(const patience& limits);
    result<void> each_answer(
        const std::function<void(const pg_result*)>& take, const patience& limits
    );
    result<std::vector<text_row>> rows(const patience& limits);
    failure trouble() const;

    std::unique_ptr<pg_conn, closer> handle_;
    std::string address_;
};

}  // namespace pgweir::topology
