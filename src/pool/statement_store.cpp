#include "pool/statement_store.hpp"

#include <fmt/format.h>

#include <cassert>
#include <cctype>
#include <charconv>
#include <memory>
#include <tuple>

namespace pgweir::pool {

namespace {

constexpr std::array<std::string_view, 5> read_by = {
    "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "standard_conforming_strings"};

}  // namespace

bool depends_on_settings(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); i++) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool quote =
            c == '\'' || (c == '$' && i + 1 < text.size() &&
                          std::isdigit(static_cast<unsigned char>(text[i + 1])) == 0);
        if (quote || c >= 0x80) {
            return true;
        }
    }
    return false;
}

std::optional<statement_name> find_statement_name(std::string_view text) noexcept {
    const std::size_t at = text.find(statement_prefix);
    if (at == text.npos) {
        return std::nullopt;
    }
    const char* const end = text.data() + text.size();
    const char* const digits = text.data() + at + statement_prefix.size();
    statement_name found;
    const auto parsed = std::from_chars(digits, end, found.number);
    if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr == '_')) {
        return std::nullopt;
    }
    found.text = text.substr(at, static_cast<std::size_t>(parsed.ptr - text.data()) - at);
    return found;
}

// References. The last one goes under the store's mutex, so that nobody finds a statement that is
// about to go.

void intrusive_ptr_add_ref(const statement* s) noexcept {
    s->references_.fetch_add(1, std::memory_order_relaxed);
}

void intrusive_ptr_release(const statement* s) noexcept {
    std::uint32_t count = s->references_.load(std::memory_order_relaxed);
    while (count > 1) {
        if (s->references_.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel)) {
            return;
        }
    }
    s->store_->release_last(*s);
}

void statement_store::release_last(const statement& s) noexcept {
    std::unique_lock lock(mutex_);
    if (s.references_.fetch_sub(1, std::memory_order_acq_rel) != 1) {
        return;
    }
    if (s.hook_.is_linked()) {
        index_.erase(index_.iterator_to(const_cast<statement&>(s)));
    }
    count_--;
    bytes_ -= s.definition_.size() + overhead;
    lock.unlock();
    delete &s;
}

void statement::retire() const {
    const std::lock_guard lock(store_->mutex_);
    if (hook_.is_linked()) {
        store_->index_.erase(store_->index_.iterator_to(const_cast<statement&>(*this)));
    }
}

statement_store::statement_store(const parameter_store& parameters) : parameters_(parameters) {
    for (std::size_t i = 0; i < read_by.size(); i++) {
        literal_settings_[i] = parameters.index_of(read_by[i]).value();
    }
}

statement_store::~statement_store() {
    assert(count_ == 0);
}

statement_store::identity statement_store::identity_of(const statement& s) noexcept {
    return {s.scope_, s.form_, s.definition_, s.settings_key_};
}

bool statement_store::order::operator()(const identity& a, const identity& b) const noexcept {
    return std::tuple(a.definition.size(), a.scope, a.form, a.definition, a.settings) <
           std::tuple(b.definition.size(), b.scope, b.form, b.definition, b.settings);
}

/// The values one after the other; none of them has a zero byte.
std::string statement_store::settings_key(const parameter_set& settings) const {
    std::string key;
    for (std::size_t at : literal_settings_) {
        key += settings.values()[at].value_or(std::string());
        key += '\0';
    }
    return key;
}

statement_ptr statement_store::find_or_make(
    const void* scope,
    std::string_view definition,
    const parameter_set_ptr& settings,
    sharing how,
    statement_form form,
    room there_is
) {
    const bool depends = depends_on_settings(definition.substr(0, definition.find('\0')));
    const std::string key = depends ? settings_key(*settings) : std::string();
    const std::lock_guard lock(mutex_);
    index::insert_commit_data place;
    const auto found = index_.insert_check(identity{scope, form, definition, key}, order(), place);
    if (!found.second && how == sharing::shared) {
        return statement_ptr(&*found.first);
    }
    const std::size_t size = definition.size() + overhead;
    const std::size_t limit = limit_.load(std::memory_order_relaxed);
    const std::size_t taken = (bytes() + size) / (there_is == room::twice ? 2 : 1);
    if (there_is != room::made && limit != 0 && taken > limit) {
        return nullptr;
    }
    std::unique_ptr<statement> made(new statement);
    made->store_ = this;
    made->scope_ = scope;
    made->form_ = form;
    made->number_ = ++last_number_;
    made->name_ = fmt::format("{}{}", statement_prefix, made->number_);
    made->definition_ = definition;
    made->settings_key_ = key;
    made->settings_ = depends ? settings : nullptr;
    made->may_serve_unnamed_ =
        !depends && form == statement_form::message && may_be_kept(definition);
    if (how == sharing::shared) {
        index_.insert_commit(*made, place);
    }
    count_++;
    bytes_ += size;
    return statement_ptr(made.release());
}

bool statement_store::has_room(std::size_t definitions) const noexcept {
    const std::size_t limit = limit_.load(std::memory_order_relaxed);
    return limit == 0 || bytes() + definitions <= limit;
}

std::size_t statement_store::size() const {
    const std::lock_guard lock(mutex_);
    return count_;
}

}  // namespace pgweir::pool
