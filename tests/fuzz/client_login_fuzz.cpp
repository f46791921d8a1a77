// The log-in of a client from its first byte, in any splits. The first byte of the input chooses
// the settings, the second how the rest is cut. Nobody gets in who has not proved to be a user,
// what is sent is whole messages (or the byte that declines encryption), and the splits do not
// matter.

#include "protocol/message.hpp"
#include "session/client_login.hpp"
#include "support/certificates.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using session::client_login;
using outcome = client_login::outcome;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

constexpr std::uint8_t method_mask = 3;
constexpr std::uint8_t full_bit = 4;
constexpr std::uint8_t own_user_bit = 8;
constexpr std::uint8_t ignoring_bit = 16;
constexpr std::uint8_t tls_bit = 32;
constexpr std::uint8_t lookup_bit = 64;

net::tls_context_ptr context() {
    static test::authority signer;
    static const auto made =
        *net::tls_context::for_clients(test::serving(signer.issue("localhost")), test::tls_names);
    return made;
}

session::runtime_ptr settings(std::uint8_t choice) {
    constexpr config::auth_type methods[] = {
        config::auth_type::plain,
        config::auth_type::md5,
        config::auth_type::scram_sha_256,
        config::auth_type::trust,
    };
    config::configuration all;
    all.global.auth_type = methods[choice & method_mask];
    all.global.scram_iterations = 2;
    if ((choice & ignoring_bit) != 0) {
        all.global.ignore_startup_parameters = {"options", "extra_float_digits"};
        all.global.application_name_add_host = true;
    }
    if ((choice & lookup_bit) != 0) {
        all.global.auth_user = "asker";
        all.global.auth_dbname = "users";
    }
    session::runtime made;
    made.client_tls = (choice & tls_bit) != 0 ? context() : nullptr;
    made.configuration = std::make_shared<const config::configuration>(std::move(all));
    made.users = std::make_shared<const config::user_list>(
        *config::parse_user_list("\"u\" \"pw\"\n\"pgweir\" \"pw\"\n", "users")
    );
    return std::make_shared<const session::runtime>(std::move(made));
}

/// What a client is sent: single bytes 'N' and 'S', then messages that end where their length says.
void check_sent(std::string_view sent) {
    while (!sent.empty() && (sent[0] == 'N' || sent[0] == 'S')) {
        sent.remove_prefix(1);
    }
    while (!sent.empty()) {
        require(sent[0] == 'R' || sent[0] == 'E' || sent[0] == 'v');
        protocol::message_reader reader(sent.substr(1));
        const std::int32_t length = reader.int32();
        require(reader.ok() && length >= 4);
        reader.bytes(static_cast<std::size_t>(length) - 4);
        require(reader.ok());
        const bool error = sent[0] == 'E';
        if (error) {
            const auto fields = protocol::read_error(sent.substr(5));
            require(fields.sqlstate.size() == 5 && !fields.message.empty());
        }
        sent = reader.rest();
        require(!error || sent.empty());
    }
}

struct end {
    outcome what;
    std::string user;
    std::string rest;
};

void check_end(const client_login& login, const end& is, std::uint8_t choice, bool error_sent) {
    if (is.what == outcome::start_tls) {
        require((choice & tls_bit) != 0 && !login.over_tls() && login.starts_directly());
    }
    if (is.what == outcome::refused) {
        return;
    }
    require(!error_sent);
    if (is.what != outcome::admitted) {
        return;
    }
    require(!login.user().empty() && !login.database().empty());
    require((choice & full_bit) == 0 || login.console());
    const bool own = login.console() && (choice & own_user_bit) != 0 &&
                     (login.user() == "pgweir" || login.user() == "pgbouncer");
    const bool found = (choice & lookup_bit) != 0 && login.user() == "v";
    require(own || found || login.user() == "u" || login.user() == "pgweir");
}

/// What a helper thread and PostgreSQL would have to say: the latter knows one user more.
outcome answered(client_login& login, outcome what, std::string& sent) {
    while (what == outcome::ask || what == outcome::lookup) {
        if (what == outcome::ask) {
            what = login.on_answer(auth::compute(login.take_question()), sent);
            continue;
        }
        session::looked_up answer;
        if (login.lookup().user == "v") {
            answer.what = session::looked_up::kind::found;
            answer.name = "v";
            answer.password = secret("pw");
        }
        what = login.on_looked_up(std::move(answer), sent);
    }
    return what;
}

/// Feeds the bytes in pieces of this size; all of it at once if it is 0.
end run(std::string_view bytes, std::uint8_t choice, std::size_t piece) {
    static const pool::parameter_store store({});
    static auth::scram_verifier_cache verifiers("process key");
    session::connection_facts facts;
    facts.own_user = facts.local = (choice & own_user_bit) != 0;
    facts.shown = "unix";
    client_login login(settings(choice), store, verifiers, facts);
    const auto room =
        (choice & full_bit) != 0 ? client_login::room::full : client_login::room::free;
    std::string sent;
    end is{outcome::wait, {}, {}};
    while (is.what == outcome::wait && !bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
        bytes.remove_prefix(part.size());
        is.what = answered(login, login.feed(part, room, sent), sent);
        if (is.what == outcome::start_tls && !login.starts_directly()) {
            // What comes from now on comes through TLS.
            require(sent.ends_with('S') && login.take_rest().empty());
            login.secured({});
            is.what = outcome::wait;
        }
    }
    check_sent(sent);
    check_end(login, is, choice, sent.find('E') == 0);
    is.user = login.user();
    is.rest = login.take_rest().append(bytes);
    return is;
}

bool asks_for_encryption(std::string_view bytes) {
    return bytes.starts_with(std::string_view("\0\0\0\10\4\322\26", 7));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string bytes(data + 2, data + size);
    const end cut = run(bytes, data[0], 1U + data[1] % 64);
    const end whole = run(bytes, data[0], 0);
    // Bytes that come with an encryption request are refused and those that come later are not.
    if (!asks_for_encryption(bytes)) {
        require(cut.what == whole.what && cut.user == whole.user);
        require(whole.what != outcome::admitted || cut.rest == whole.rest);
    }
    return 0;
}
