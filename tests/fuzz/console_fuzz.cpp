// A client of the console that sends anything: the first byte is its access level (odd: admin),
// then come typed messages as on the wire. Holds for every input:
// - what is written is whole messages of types that the console may send, and rows have the
// described width;
// - a stats user never gets an operation run, and an operation that is run has passed its checks;
// - a simple query and a Sync are answered by exactly one ReadyForQuery, at the end; nothing else
// by any;
// - only Terminate and what is no message of the console's end the session.

#include "admin/command.hpp"
#include "admin/console.hpp"
#include "protocol/message.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using admin::console;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

admin::snapshot one_of_each() {
    admin::snapshot data;
    data.pools.resize(2);
    data.clients.resize(2);
    data.clients[0].send_avail = 1;
    data.servers.resize(2);
    data.databases.resize(1);
    data.users.resize(1);
    data.stats.resize(2);
    data.stats[0].total.bytes_sent = UINT64_MAX;
    data.config.resize(1);
    data.mem.resize(1);
    data.peers.resize(1);
    data.peer_pools.resize(1);
    data.dns_hosts.resize(1);
    data.dns_zones.resize(1);
    return data;
}

void check_row(std::string_view body, std::optional<std::int16_t> described) {
    protocol::message_reader in(body);
    const std::int16_t fields = in.int16();
    require(!described || *described == fields);
    for (std::int16_t i = 0; i < fields; ++i) {
        const std::int32_t length = in.int32();
        require(length >= -1);
        in.bytes(length < 0 ? 0 : static_cast<std::size_t>(length));
    }
    require(in.at_end());
}

struct answer {
    std::size_t ready = 0;  // ReadyForQuery, which must come last
    bool error = false;
};

answer check_answer(std::string_view bytes) {
    constexpr std::string_view known = "TDCZENt123nsI";
    answer seen;
    std::optional<std::int16_t> described;
    while (!bytes.empty()) {
        require(seen.ready == 0);
        protocol::message_reader in(bytes);
        const char type = in.byte();
        const std::int32_t length = in.int32();
        require(known.find(type) != std::string_view::npos && length >= 4);
        const std::string_view body = in.bytes(static_cast<std::size_t>(length) - 4);
        require(in.ok());
        bytes = in.rest();
        if (type == 'T') {
            described = protocol::message_reader(body).int16();
        } else if (type == 'D') {
            check_row(body, described);
        } else if (type == 'Z') {
            ++seen.ready;
        }
        seen.error = seen.error || type == 'E';
    }
    return seen;
}

void check_operation(const admin::operation& what) {
    require(admin::argument_error(what).empty());
    require(
        !admin::is_console_database(what.database) || what.what == admin::operation_kind::resume
    );
    require(what.database.size() <= admin::argument_limit);
    require(what.key.size() <= admin::argument_limit && what.value.size() <= admin::value_limit);
    require(!admin::command_tag(what).empty() && !admin::log_text(what).empty());
}

class driver {
public:
    explicit driver(admin::access_level access) : access_(access), console_(access) {}

    /// False when the session has ended.
    bool message(char type, std::string_view body) {
        std::string out;
        const console::action next = console_.on_message(type, body, out);
        if (next == console::action::close) {
            require(type != 'H' && type != 'S');
            require(check_answer(out).ready == 0);
            return false;
        }
        carry_out(next, out);
        require(!console_.busy());
        const answer seen = check_answer(out);
        if (type == 'S') {
            skipping_ = false;
        }
        require(out.empty() == (skipping_ || type == 'H'));
        require(seen.ready == (type == 'S' || (type == 'Q' && !skipping_) ? 1U : 0U));
        skipping_ = skipping_ || (seen.error && type != 'Q');
        return true;
    }

private:
    void carry_out(console::action next, std::string& out) {
        if (next == console::action::show) {
            require(out.empty() && console_.busy());
            require(admin::column_count(console_.show()) > 0);
            console_.render(one_of_each(), out);
        } else if (next == console::action::run) {
            require(out.empty() && console_.busy());
            require(access_ == admin::access_level::admin);
            check_operation(console_.requested());
            admin::operation_result how;
            how.error = ++runs_ % 2 == 0 ? "it did not work" : "";
            console_.finished(how, out);
        }
    }

    admin::access_level access_;
    console console_;
    unsigned runs_ = 0;
    bool skipping_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    driver session(data[0] % 2 == 1 ? admin::access_level::admin : admin::access_level::stats);
    const std::string input(data + 1, data + size);
    protocol::message_reader in(input);
    while (!in.rest().empty()) {
        const char type = in.byte();
        const std::int32_t length = in.int32();
        if (!in.ok() || length < 4) {
            break;
        }
        const std::string_view body = in.bytes(static_cast<std::size_t>(length) - 4);
        if (!in.ok() || !session.message(type, body)) {
            break;
        }
    }
    return 0;
}
