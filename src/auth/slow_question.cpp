#include "auth/slow_question.hpp"

#include "auth/scram_cache.hpp"

namespace pgweir::auth {

namespace {

slow_answer answer(const derive_verifier& what) {
    slow_answer done;
    if (what.password.empty()) {
        done.verifier = what.cache->slow_mock(what.user, what.iterations);
    } else {
        done.verifier = what.cache->verifier(what.user, what.password, what.iterations);
    }
    return done;
}

slow_answer answer(const check_password& what) {
    slow_answer done;
    done.fits = password_matches(what.stored, what.password.view());
    return done;
}

slow_answer answer(const derive_keys& what) {
    slow_answer done;
    done.keys = what.cache != nullptr
                    ? what.cache->keys(what.user, what.password, what.salt, what.iterations)
                    : derive_scram_keys(what.password.view(), what.salt, what.iterations);
    return done;
}

// The others are somebody else's to answer.

slow_answer answer(const ask_pam&) {
    return {};
}

slow_answer answer(const ask_ldap&) {
    return {};
}

slow_answer answer(const ask_user_name&) {
    return {};
}

}  // namespace

bool is_computed(const slow_question& question) noexcept {
    return std::holds_alternative<derive_verifier>(question) ||
           std::holds_alternative<check_password>(question) ||
           std::holds_alternative<derive_keys>(question);
}

slow_answer compute(const slow_question& question) {
    return std::visit([](const auto& what) { return answer(what); }, question);
}

}  // namespace pgweir::auth
