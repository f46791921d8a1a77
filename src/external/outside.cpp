#include "external/outside.hpp"

#include <fmt/format.h>

#include <pwd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace pgweir::external {

auth::slow_answer answer(const auth::slow_question& question) {
    if (const auto* pam = std::get_if<auth::ask_pam>(&question)) {
        return answer_pam(*pam);
    }
    if (const auto* ldap = std::get_if<auth::ask_ldap>(&question)) {
        return answer_ldap(*ldap);
    }
    if (const auto* name = std::get_if<auth::ask_user_name>(&question)) {
        return answer_user_name(*name);
    }
    return auth::compute(question);
}

auth::slow_answer answer_user_name(const auth::ask_user_name& what) {
    constexpr std::size_t most = 1024 * 1024;
    auth::slow_answer done;
    std::string buffer(1024, '\0');
    for (;;) {
        ::passwd entry{};
        ::passwd* found = nullptr;
        const int error = ::getpwuid_r(what.uid, &entry, buffer.data(), buffer.size(), &found);
        if (error == ERANGE && buffer.size() < most) {
            buffer.resize(2 * buffer.size());
            continue;
        }
        if (found != nullptr) {
            done.name = found->pw_name;
        } else {
            done.why = fmt::format(
                "the system knows no user {}{}{}",
                what.uid,
                error == 0 ? "" : ": ",
                error == 0 ? std::string() : std::generic_category().message(error)
            );
        }
        return done;
    }
}

}  // namespace pgweir::external
