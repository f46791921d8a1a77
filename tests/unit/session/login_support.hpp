#pragma once

// What a client's log-in needs around it, made of texts, and the packets that a client sends.

#include "protocol/message.hpp"
#include "protocol/startup.hpp"
#include "session/client_login.hpp"
#include "support/certificates.hpp"
#include "unit/config/support.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::session::test {

using parameters = std::vector<std::pair<std::string, std::string>>;
using outcome = client_login::outcome;
using room = client_login::room;

inline std::string startup(const parameters& all) {
    std::string out;
    protocol::put_startup(out, all);
    return out;
}

/// A packet without a type: SSLRequest and the like.
inline std::string request(std::int32_t code, std::string_view rest = "") {
    std::string out;
    protocol::message_writer(out, 0).int32(code).bytes(rest);
    return out;
}

inline std::string ssl_request() {
    return request(80877103);
}

inline std::string gssenc_request() {
    return request(80877104);
}

inline std::string password(std::string_view text) {
    std::string out;
    protocol::put_password(out, text);
    return out;
}

/// A context with a certificate.
struct test_tls {
    pgweir::test::authority signer;
    net::tls_context_ptr context = *net::tls_context::for_clients(
        pgweir::test::serving(signer.issue("localhost")), pgweir::test::tls_names
    );
};

/// The settings of a pooler whose users are "u" (password "pw") and "pgweir". Beside rules there is
/// a map `staff`: u@example is u.
inline runtime_ptr settings(
    std::string pgbouncer, std::string_view hba = "", net::tls_context_ptr tls = nullptr
) {
    runtime made;
    made.client_tls = std::move(tls);
    made.configuration = config::test::good("[databases]\ndb =\n[pgbouncer]\n" + pgbouncer);
    made.users = std::make_shared<const config::user_list>(
        *config::parse_user_list("\"u\" \"pw\"\n\"pgweir\" \"pw\"\n", "users")
    );
    if (!hba.empty()) {
        auto rules = auth::hba_rules::parse(hba, "hba", [](const std::string& path) {
            return result<std::string>(failure{path});
        });
        EXPECT_TRUE(rules);
        made.hba = std::make_shared<const auth::hba_rules>(std::move(*rules));
        made.ident = std::make_shared<const auth::ident_map>(
            *auth::ident_map::parse("staff /^(.*)@example$ \\1\n", "ident")
        );
    }
    return std::make_shared<const runtime>(std::move(made));
}

}  // namespace pgweir::session::test
