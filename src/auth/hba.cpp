#include "auth/hba.hpp"

#include <algorithm>
#include <functional>

namespace pgweir::auth {

namespace {

constexpr std::size_t ipv4_size = 4;

/// The first twelve bytes of an IPv4-mapped IPv6 address.
constexpr std::string_view mapped_prefix{"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12};

bool has(const std::vector<std::string>& sorted, std::string_view name) noexcept {
    return std::binary_search(sorted.begin(), sorted.end(), name, std::less<>());
}

bool name_fits(const hba_names& names, std::string_view name) {
    return names.all || has(names.names, name) ||
           std::any_of(names.patterns.begin(), names.patterns.end(), [&](const name_pattern& p) {
               return p.fits(name);
           });
}

bool database_fits(const hba_names& databases, const hba_query& query) {
    if (query.replication) {
        return databases.replication;
    }
    return (databases.same_user && query.database == query.user) ||
           name_fits(databases, query.database);
}

bool transport_fits(hba_rule::transport over, const hba_query& query) noexcept {
    const bool local = query.type == connection_type::local;
    switch (over) {
        case hba_rule::transport::local:
            return local;
        case hba_rule::transport::host:
            return !local;
        case hba_rule::transport::host_tls:
            return !local && query.tls;
        case hba_rule::transport::host_plain:
            return !local && !query.tls;
        case hba_rule::transport::never:
            return false;
    }
    return false;
}

bool in_network(const hba_network& network, std::string_view address) noexcept {
    if (network.address.size() != address.size() || network.mask.size() != address.size()) {
        return false;
    }
    for (std::size_t i = 0; i < address.size(); i++) {
        if (((network.address[i] ^ address[i]) & network.mask[i]) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool hba_rules::address_fits(const hba_rule& rule, std::string_view address) const noexcept {
    const auto fits_one = [&](auto&& fits) {
        return std::any_of(interfaces_.begin(), interfaces_.end(), fits);
    };
    switch (rule.addresses) {
        case hba_rule::address_kind::all:
            return true;
        case hba_rule::address_kind::same_host:
            return fits_one([&](const hba_network& own) { return own.address == address; });
        case hba_rule::address_kind::same_net:
            return fits_one([&](const hba_network& own) { return in_network(own, address); });
        case hba_rule::address_kind::network:
            return in_network(rule.network, address);
    }
    return false;
}

const hba_rule* hba_rules::match(const hba_query& query) const {
    std::string_view address = query.address;
    if (address.size() == mapped_prefix.size() + ipv4_size && address.starts_with(mapped_prefix)) {
        address.remove_prefix(mapped_prefix.size());
    }
    for (const hba_rule& rule : rules_) {
        const bool fits =
            transport_fits(rule.over, query) &&
            (rule.over == hba_rule::transport::local || address_fits(rule, address)) &&
            database_fits(rule.databases, query) && name_fits(rule.users, query.user);
        if (fits) {
            return &rule;
        }
    }
    return nullptr;
}

}  // namespace pgweir::auth
