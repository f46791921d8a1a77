#include "auth/hba.hpp"
#include "auth/hba_options.hpp"
#include "auth/hba_tokens.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

namespace pgweir::auth {

namespace {

using detail::hba_failure;
using detail::hba_field;
using detail::hba_line;
using detail::hba_word;

/// Files that one HBA file may name, counted each time: an end for those that name each other.
constexpr int includes_limit = 1000;
constexpr std::size_t ipv4_size = 4;
constexpr std::size_t ipv6_size = 16;
constexpr std::size_t mapped_prefix_size = 12;

struct transport_name {
    std::string_view name;
    hba_rule::transport over;
};

constexpr std::array<transport_name, 6> transports{{
    {"local", hba_rule::transport::local},
    {"host", hba_rule::transport::host},
    {"hostssl", hba_rule::transport::host_tls},
    {"hostnossl", hba_rule::transport::host_plain},
    {"hostgssenc", hba_rule::transport::never},
    {"hostnogssenc", hba_rule::transport::host},
}};

/// What a failure inside a line says; file and line are put before it by whoever knows them.
using why = std::optional<std::string>;

std::optional<std::string> read_address(const std::string& text) {
    std::string bytes(ipv6_size, '\0');
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
        return bytes;
    }
    bytes.resize(ipv4_size);
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
        return bytes;
    }
    return std::nullopt;
}

std::optional<std::string> mask_of_bits(std::string_view text, std::size_t size) {
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (error != std::errc() || end != text.data() + text.size() || bits > 8 * size) {
        return std::nullopt;
    }
    std::string mask(size, '\0');
    for (unsigned bit = 0; bit < bits; bit++) {
        mask[bit / 8] = static_cast<char>(mask[bit / 8] | 0x80 >> bit % 8);
    }
    return mask;
}

/// Clients with an IPv4-mapped address are seen as IPv4, so a rule for them must be, too.
void unmap(hba_network& network) {
    constexpr std::string_view mapped{"\0\0\0\0\0\0\0\0\0\0\xff\xff", mapped_prefix_size};
    const std::string all_bits(mapped_prefix_size, '\xff');
    if (network.address.size() == ipv6_size && network.address.starts_with(mapped) &&
        network.mask.starts_with(all_bits)) {
        network.address.erase(0, mapped_prefix_size);
        network.mask.erase(0, mapped_prefix_size);
    }
}

class rule_parser {
public:
    rule_parser(const hba_rules::include_reader& read_include, const std::string& file_name)
        : read_include_(read_include), file_name_(file_name) {}

    result<hba_rule> parse(const hba_line& line) {
        line_ = &line;
        next_ = 0;
        hba_rule rule;
        rule.line = line.number;
        if (const auto problem = read_rule(rule)) {
            return *problem;
        }
        return rule;
    }

private:
    using wrong = std::optional<failure>;

    wrong refuse(std::string_view text) const {
        return hba_failure(file_name_, line_->number, text);
    }

    const hba_field* take() noexcept {
        return next_ < line_->fields.size() ? &line_->fields[next_++] : nullptr;
    }

    /// The next field, which must be one word.
    const hba_word* take_word() noexcept {
        const hba_field* field = take();
        return field != nullptr && field->size() == 1 ? &field->front() : nullptr;
    }

    wrong read_rule(hba_rule& rule) {
        if (auto problem = read_transport(rule)) {
            return problem;
        }
        if (auto problem = read_databases(rule.databases)) {
            return problem;
        }
        if (auto problem = read_users(rule.users)) {
            return problem;
        }
        if (rule.over != hba_rule::transport::local) {
            if (auto problem = read_addresses(rule)) {
                return problem;
            }
        }
        if (auto problem = read_method(rule)) {
            return problem;
        }
        return read_options(rule);
    }

    wrong read_transport(hba_rule& rule) {
        const hba_word* word = take_word();
        const auto* found =
            word == nullptr
                ? transports.end()
                : std::find_if(transports.begin(), transports.end(), [&](const auto& known) {
                      return known.name == word->text;
                  });
        if (found == transports.end()) {
            return refuse(fmt::format(
                "a rule begins with local, host, hostssl, hostnossl, hostgssenc or hostnogssenc, "
                "not with \"{}\"",
                line_->fields.front().front().text
            ));
        }
        rule.over = found->over;
        return std::nullopt;
    }

    /// Hands each word of a field, and of the files that it names, to `add`.
    template <typename Add>
    wrong read_names(std::string_view what, Add&& add) {
        const hba_field* field = take();
        if (field == nullptr) {
            return refuse(fmt::format("the {} is missing", what));
        }
        return each_word(*field, file_name_, line_->number, 0, add);
    }

    template <typename Add>
    wrong each_word(
        const hba_field& field, const std::string& file_name, int line, int depth, Add& add
    ) {
        for (const hba_word& word : field) {
            const bool names_file = !word.quoted && word.text.size() > 1 && word.text[0] == '@';
            if (names_file) {
                if (auto problem = each_word_of_file(word.text, file_name, line, depth, add)) {
                    return problem;
                }
            } else if (const why problem = add(word)) {
                return hba_failure(file_name, line, *problem);
            }
        }
        return std::nullopt;
    }

    template <typename Add>
    wrong each_word_of_file(
        const std::string& word, const std::string& named_in, int line, int depth, Add& add
    ) {
        constexpr int depth_limit = 10;
        if (depth == depth_limit || includes_++ == includes_limit) {
            return hba_failure(
                named_in, line, fmt::format("\"{}\": too many files that name files", word)
            );
        }
        // An absolute name stays as it is.
        const auto folder = std::filesystem::path(named_in).parent_path();
        const std::string path = (folder / word.substr(1)).lexically_normal().string();
        const auto text = read_include_(path);
        if (!text) {
            return hba_failure(named_in, line, text.error().message);
        }
        const auto lines = detail::split_hba(*text, path);
        if (!lines) {
            return lines.error();
        }
        for (const hba_line& included : *lines) {
            for (const hba_field& field : included.fields) {
                if (auto problem = each_word(field, path, included.number, depth + 1, add)) {
                    return problem;
                }
            }
        }
        return std::nullopt;
    }

    wrong read_databases(hba_names& databases) {
        return read_names("database", [&](const hba_word& word) -> why {
            if (word.is("all")) {
                databases.all = true;
            } else if (word.is("sameuser")) {
                databases.same_user = true;
            } else if (word.is("replication")) {
                databases.replication = true;
            } else if (word.is("samerole") || word.is("samegroup")) {
                return fmt::format(
                    "\"{}\" is not supported, as roles are known to PostgreSQL only", word.text
                );
            } else {
                return add_name(databases, word);
            }
            return std::nullopt;
        });
    }

    wrong read_users(hba_names& users) {
        return read_names("user", [&](const hba_word& word) -> why {
            if (word.is("all")) {
                users.all = true;
                return std::nullopt;
            }
            if (!word.quoted && word.text.starts_with('+')) {
                return fmt::format(
                    "\"{}\" is not supported, as members of a role are known to PostgreSQL only; "
                    "list the users, or name a file of them with @",
                    word.text
                );
            }
            return add_name(users, word);
        });
    }

    static why add_name(hba_names& names, const hba_word& word) {
        if (word.text.starts_with('/')) {
            // In quotes too, or it could hold no comma.
            auto pattern = name_pattern::make(std::string_view(word.text).substr(1));
            if (!pattern) {
                return pattern.error().message;
            }
            names.patterns.push_back(*std::move(pattern));
            return std::nullopt;
        }
        names.names.push_back(word.text);
        return std::nullopt;
    }

    wrong read_addresses(hba_rule& rule) {
        const hba_word* word = take_word();
        if (word == nullptr) {
            return refuse("one address is expected behind the user");
        }
        if (word->is("all")) {
            rule.addresses = hba_rule::address_kind::all;
        } else if (word->is("samehost")) {
            rule.addresses = hba_rule::address_kind::same_host;
        } else if (word->is("samenet")) {
            rule.addresses = hba_rule::address_kind::same_net;
        } else {
            rule.addresses = hba_rule::address_kind::network;
            return read_network(rule.network, word->text);
        }
        return std::nullopt;
    }

    wrong read_network(hba_network& network, const std::string& text) {
        const std::size_t slash = text.find('/');
        auto address = read_address(text.substr(0, slash));
        if (!address) {
            return refuse(fmt::format(
                "\"{}\" is neither an IP address nor all, samehost or samenet; host names are not "
                "supported",
                text
            ));
        }
        std::optional<std::string> mask;
        if (slash != text.npos) {
            mask = mask_of_bits(std::string_view(text).substr(slash + 1), address->size());
        } else if (const hba_word* word = take_word()) {
            mask = read_address(word->text);
        }
        if (!mask || mask->size() != address->size()) {
            return refuse(fmt::format(
                "the address \"{}\" needs the number of its network's bits (such as /{}), or a "
                "mask behind it",
                text,
                8 * address->size()
            ));
        }
        network = {*std::move(address), *std::move(mask)};
        unmap(network);
        return std::nullopt;
    }

    wrong read_method(hba_rule& rule) {
        const hba_word* word = take_word();
        if (word == nullptr) {
            return refuse("one authentication method is expected at the end");
        }
        const auto method = hba_method(word->text);
        if (!method) {
            return refuse(fmt::format(
                "the authentication method \"{}\" is not supported: use trust, reject, password, "
                "md5, scram-sha-256, cert, peer, ldap or pam",
                word->text
            ));
        }
        if (*method == auth_method::peer && rule.over != hba_rule::transport::local) {
            return refuse("peer is for local connections only");
        }
        const bool may_have_tls =
            rule.over == hba_rule::transport::host || rule.over == hba_rule::transport::host_tls;
        if (*method == auth_method::cert && !may_have_tls) {
            return refuse("cert is for connections with TLS only");
        }
        rule.method = *method;
        return std::nullopt;
    }

    wrong read_options(hba_rule& rule) {
        while (const hba_field* field = take()) {
            for (const hba_word& word : *field) {
                const std::size_t equals = word.text.find('=');
                if (equals == word.text.npos || equals == 0) {
                    return refuse(
                        rule.options.empty()
                            ? fmt::format(
                                  "\"{}\" behind the method is not an option name=value",
                                  word.text
                              )
                            : fmt::format(  // it may be the rest of a password
                                  "what is behind \"{}=\" and its value is not an option "
                                  "name=value; a value with a space or comma needs quotes",
                                  rule.options.back().first
                              )
                    );
                }
                rule.options.emplace_back(
                    word.text.substr(0, equals), word.text.substr(equals + 1)
                );
            }
        }
        const why problem = detail::apply_options(rule);
        return problem ? refuse(*problem) : std::nullopt;
    }

    const hba_rules::include_reader& read_include_;
    const std::string& file_name_;
    const hba_line* line_ = nullptr;
    std::size_t next_ = 0;
    int includes_ = 0;
};

void sort_names(hba_names& names) {
    std::sort(names.names.begin(), names.names.end());
    names.names.erase(std::unique(names.names.begin(), names.names.end()), names.names.end());
}

}  // namespace

result<hba_rules> hba_rules::parse(
    std::string_view text,
    const std::string& file_name,
    const include_reader& read_include,
    std::vector<hba_network> interfaces
) {
    const auto lines = detail::split_hba(text, file_name);
    if (!lines) {
        return lines.error();
    }
    hba_rules parsed;
    parsed.interfaces_ = std::move(interfaces);
    rule_parser parser(read_include, file_name);
    for (const hba_line& line : *lines) {
        auto rule = parser.parse(line);
        if (!rule) {
            return rule.error();
        }
        sort_names(rule->databases);
        sort_names(rule->users);
        parsed.rules_.push_back(*std::move(rule));
    }
    return parsed;
}

}  // namespace pgweir::auth
