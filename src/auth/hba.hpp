#pragma once

// pg_hba.conf: which method of authentication a connection must pass, by the first rule that fits
// it. PostgreSQL's manual: "The pg_hba.conf File".
//
// A line that is not understood refuses the whole file, as in PostgreSQL, and the failure says
// file:line and why: a rule that is left out could let somebody in. What PostgreSQL knows and a
// pooler cannot decide (roles, host names) is refused in words of its own.
// Immutable once parsed, so any thread may match.

#include "auth/ldap_options.hpp"
#include "auth/method.hpp"
#include "auth/name_pattern.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::auth {

enum class connection_type : std::uint8_t { local, host };

/// A connection, as far as rules look at it.
struct hba_query {
    connection_type type = connection_type::host;
    bool tls = false;
    std::string_view address;  // 4 or 16 bytes in network order; empty for local
    std::string_view database;
    std::string_view user;
    bool replication = false;  // physical replication: only the word `replication` fits it
};

/// A network: an address with the bits that count, each of 4 or 16 bytes.
struct hba_network {
    std::string address;  // network order; an IPv4-mapped IPv6 address is kept as IPv4
    std::string mask;     // as long as the address
};

/// The words of a database or user field, as a list of names and of what stands for names.
struct hba_names {
    bool all = false;
    bool same_user = false;    // databases only
    bool replication = false;  // databases only
    std::vector<std::string> names;
    std::vector<name_pattern> patterns;  // words that begin with a slash
};

struct hba_rule {
    enum class transport : std::uint8_t {
        local,
        host,  ///< with and without TLS; hostnogssenc is the same, as there is no GSS encryption
               ///< here
        host_tls,
        host_plain,
        never,  ///< hostgssenc
    };
    enum class address_kind : std::uint8_t { all, same_host, same_net, network };

    transport over = transport::local;
    hba_names databases;
    hba_names users;
    address_kind addresses = address_kind::all;
    hba_network network;  // address_kind::network
    auth_method method = auth_method::reject;
    std::vector<std::pair<std::string, std::string>> options;  // behind the method, in order
    std::string map;                                           // of the ident file; peer, cert
    std::string pam_service;                                   // empty: the setting's
    std::shared_ptr<const ldap_options> ldap;                  // never null for ldap
    int line = 0;                                              // where it begins
};

class hba_rules {
public:
    /// Gives the text of the file behind `@name`, whose path is made absolute by the path of the
    /// file that names it.
    using include_reader = std::function<result<std::string>(const std::string& path)>;

    /// `interfaces` are this machine's own networks, for samehost and samenet.
    static result<hba_rules> parse(
        std::string_view text,
        const std::string& file_name,
        const include_reader& read_include,
        std::vector<hba_network> interfaces = {}
    );

    /// The first rule that fits, or nullptr: then the client is refused. Valid as long as this
    /// object.
    const hba_rule* match(const hba_query& query) const;

    const std::vector<hba_rule>& rules() const noexcept { return rules_; }

private:
    bool address_fits(const hba_rule& rule, std::string_view address) const noexcept;

    std::vector<hba_rule> rules_;
    std::vector<hba_network> interfaces_;
};

/// Reads and parses a file, with the files that it names and the interfaces that this machine has
/// now.
result<hba_rules> load_hba(const std::string& path);

}  // namespace pgweir::auth
