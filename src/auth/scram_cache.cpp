#include "auth/scram_cache.hpp"

namespace pgweir::auth {

std::optional<scram_keys> scram_client_cache::find(
    const std::string& user, const secret& password, std::string_view salt, int iterations
) {
    const std::lock_guard lock(mutex_);
    const entry* known = cache_.find(user);
    if (known != nullptr && known->iterations == iterations && known->salt == salt &&
        known->password == password) {
        return known->keys;
    }
    return std::nullopt;
}

scram_keys scram_client_cache::keys(
    const std::string& user, const secret& password, std::string_view salt, int iterations
) {
    if (const auto known = find(user, password, salt, iterations)) {
        return *known;
    }
    scram_keys derived = derive_scram_keys(password.view(), salt, iterations);
    const std::lock_guard lock(mutex_);
    cache_.put(user, entry{password, std::string(salt), iterations, derived});
    return derived;
}

std::size_t scram_client_cache::size() const {
    const std::lock_guard lock(mutex_);
    return cache_.size();
}

std::optional<scram_secret> scram_verifier_cache::find(
    const std::string& user, const secret& password, int iterations
) {
    const std::lock_guard lock(mutex_);
    const entry* known = cache_.find(user);
    if (known != nullptr && known->verifier.iterations == iterations &&
        known->password == password) {
        return known->verifier;
    }
    return std::nullopt;
}

scram_secret scram_verifier_cache::verifier(
    const std::string& user, const secret& password, int iterations
) {
    if (const auto known = find(user, password, iterations)) {
        return *known;
    }
    scram_secret made =
        make_scram_secret(password.view(), iterations, mock_salt(user, process_key_));
    const std::lock_guard lock(mutex_);
    cache_.put(user, entry{password, made});
    return made;
}

scram_secret scram_verifier_cache::mock(std::string_view user, int iterations) const {
    return mock_secret(user, process_key_, iterations);
}

scram_secret scram_verifier_cache::slow_mock(const std::string& user, int iterations) {
    if (!knows_mock(user)) {
        make_scram_secret(process_key_, iterations, mock_salt(user, process_key_));
        const std::lock_guard lock(mutex_);
        mocks_.put(user, {});
    }
    return mock(user, iterations);
}

bool scram_verifier_cache::knows_mock(const std::string& user) {
    const std::lock_guard lock(mutex_);
    return mocks_.find(user) != nullptr;
}

std::size_t scram_verifier_cache::size() const {
    const std::lock_guard lock(mutex_);
    return cache_.size();
}

}  // namespace pgweir::auth
