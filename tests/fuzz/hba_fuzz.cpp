// The HBA file and the files that it names: what stands before the first zero byte is the file
// itself, what stands behind it is the text of every file named by @.

#include "auth/hba.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace pgweir;
using namespace pgweir::auth;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

hba_query local(std::string_view user) {
    hba_query query;
    query.type = connection_type::local;
    query.database = "app";
    query.user = user;
    return query;
}

hba_query remote(std::string_view address, bool tls) {
    hba_query query;
    query.address = address;
    query.tls = tls;
    query.database = "app";
    query.user = "app";
    return query;
}

result<hba_rules> parse(std::string_view text, std::string_view included) {
    const auto read = [&](const std::string& path) -> result<std::string> {
        if (path.ends_with("missing")) {
            return failure{"missing"};
        }
        return result<std::string>(boost::system::in_place_value, included);
    };
    return hba_rules::parse(text, "hba", read, {{"\x7f\0\0\1", std::string("\xff\0\0\0", 4)}});
}

void check_matches(const hba_rules& rules) {
    const std::string v4("\x0a\x01\x02\x03", 4);
    const std::string mapped = std::string(10, '\0') + "\xff\xff" + v4;
    const std::string v6(16, '\x20');
    for (bool tls : {false, true}) {
        const hba_rule* rule = rules.match(remote(v4, tls));
        require(rule == rules.match(remote(mapped, tls)));
        for (const hba_rule* found : {rule, rules.match(remote(v6, tls))}) {
            using transport = hba_rule::transport;
            require(
                found == nullptr || found->over == transport::host ||
                found->over == (tls ? transport::host_tls : transport::host_plain)
            );
        }
    }
    const hba_rule* rule = rules.match(local("app"));
    require(rule == nullptr || rule->over == hba_rule::transport::local);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    const std::string_view text = input.substr(0, end);
    const std::string_view included = end == input.npos ? "" : input.substr(end + 1);

    const auto rules = parse(text, included);
    if (!rules) {
        require(rules.error().message.find(':') != std::string::npos);
        return 0;
    }
    check_matches(*rules);
    if (text.ends_with('\\')) {
        return 0;  // its last line goes on in the next one
    }
    // One more rule at the end is found by those that fitted none, and changes nothing for others.
    const auto more = parse(std::string(text) + "\n\nlocal all all reject\n", included);
    require(more && more->rules().size() == rules->rules().size() + 1);
    for (std::string_view user : {"app", "all", ""}) {
        const hba_rule* before = rules->match(local(user));
        const hba_rule* after = more->match(local(user));
        require(after != nullptr);
        require(before != nullptr ? after->line == before->line : after == &more->rules().back());
    }
    return 0;
}
