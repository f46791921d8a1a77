#include "pool/server_tls.hpp"

#include <fmt/format.h>

namespace pgweir::pool {

namespace {

using config::tls_mode;

constexpr net::tls_setting_names setting_names{
    "server_tls_key_file",
    "server_tls_cert_file",
    "server_tls_ca_file",
    "server_tls_protocols",
    "server_tls_ciphers",
    "server_tls13_ciphers",
    {},
    {},
};

constexpr net::tls_setting_names database_names{
    "sslkey",
    "sslcert",
    "sslrootcert",
    "server_tls_protocols",
    "server_tls_ciphers",
    "server_tls13_ciphers",
    {},
    {},
};

tls_mode mode_of(const config::settings& global, const config::database& db) {
    return db.sslmode.value_or(global.server_tls_sslmode);
}

net::tls_check check_of(tls_mode mode) {
    switch (mode) {
        case tls_mode::verify_ca:
            return net::tls_check::chain;
        case tls_mode::verify_full:
            return net::tls_check::chain_and_name;
        case tls_mode::disable:
        case tls_mode::allow:
        case tls_mode::prefer:
        case tls_mode::require:
            break;
    }
    return net::tls_check::none;
}

const std::string& first_of(const std::string& own, const std::string& global) {
    return own.empty() ? global : own;
}

}  // namespace

server_tls::key server_tls::key_of(const config::settings& global, const config::database& db) {
    return {
        check_of(mode_of(global, db)),
        first_of(db.sslrootcert, global.server_tls_ca_file),
        first_of(db.sslcert, global.server_tls_cert_file),
        first_of(db.sslkey, global.server_tls_key_file),
    };
}

result<void> server_tls::add(
    const config::settings& global, const config::database& db, const server_tls* before
) {
    if (mode_of(global, db) == tls_mode::disable) {
        return {};
    }
    const key wanted = key_of(global, db);
    if (contexts_.contains(wanted)) {
        return {};
    }
    net::tls_settings from;
    std::tie(from.check, from.ca_file, from.cert_file, from.key_file) = wanted;
    from.protocols = global.server_tls_protocols;
    from.ciphers = global.server_tls_ciphers;
    from.tls13_ciphers = global.server_tls13_ciphers;
    const bool own =
        db.sslmode || !db.sslrootcert.empty() || !db.sslcert.empty() || !db.sslkey.empty();
    auto made = net::tls_context::for_servers(from, own ? database_names : setting_names);
    if (!made) {
        return own ? failure{fmt::format("database {}: {}", db.name, made.error().message)}
                   : made.error();
    }
    if (before != nullptr) {
        const auto same = before->contexts_.find(wanted);
        if (same != before->contexts_.end() && same->second->same_as(**made)) {
            *made = same->second;
        }
    }
    contexts_.emplace(wanted, std::move(*made));
    return {};
}

result<std::shared_ptr<const server_tls>> server_tls::make(
    const config::configuration& all, const server_tls* before
) {
    auto made = std::make_shared<server_tls>();
    if (auto done = made->add(all.global, {}, before); !done) {
        return done.error();
    }
    for (const auto& [name, db] : all.databases) {
        if (auto done = made->add(all.global, db, before); !done) {
            return done.error();
        }
    }
    if (all.autodb_template) {
        if (auto done = made->add(all.global, *all.autodb_template, before); !done) {
            return done.error();
        }
    }
    return std::shared_ptr<const server_tls>(std::move(made));
}

tls_terms server_tls::terms_of(const config::settings& global, const config::database& db) const {
    const tls_mode mode = mode_of(global, db);
    const auto found = contexts_.find(key_of(global, db));
    tls_terms terms;
    if (mode != tls_mode::disable && found != contexts_.end()) {
        terms.context = found->second;
        terms.required = mode >= tls_mode::require;
    }
    return terms;
}

}  // namespace pgweir::pool
