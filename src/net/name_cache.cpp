#include "net/name_cache.hpp"

#include "net/loop.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace pgweir::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// The name is not known, as opposed to nobody who knows having been heard.
bool is_certain(std::error_code why) noexcept {
    return why == error_code(asio::error::host_not_found) ||
           why == error_code(asio::error::no_data);
}

}  // namespace

void name_cache::set_terms(const terms& now) {
    const std::lock_guard lock(mutex_);
    terms_ = now;
}

name_cache::answer name_cache::next_of(entry& of) {
    if (of.why) {
        return {{}, of.why};
    }
    answer next{of.addresses, {}};
    const std::size_t first = of.turn++ % next.addresses.size();
    std::rotate(
        next.addresses.begin(),
        next.addresses.begin() + static_cast<std::ptrdiff_t>(first),
        next.addresses.end()
    );
    return next;
}

std::optional<name_cache::answer> name_cache::find(std::string_view name, steady_time now) {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(name);
    if (found == all_.end() || now >= found->second.until) {
        return std::nullopt;
    }
    return next_of(found->second);
}

void name_cache::learn(const std::string& name, answer fresh, steady_time now) {
    bool gone = false;
    {
        const std::lock_guard lock(mutex_);
        entry& known = all_[name];
        if (fresh.why) {
            known.until = now + terms_.keep_failure;
            if (known.addresses.empty() || is_certain(fresh.why)) {
                known.why = fresh.why;
            }
            return;
        }
        known.until = now + terms_.keep;
        known.why.clear();
        // Resolvers shuffle them; whose turn it is, is told here.
        std::sort(fresh.addresses.begin(), fresh.addresses.end());
        gone = known.addresses.empty() || !std::includes(
                                              fresh.addresses.begin(),
                                              fresh.addresses.end(),
                                              known.addresses.begin(),
                                              known.addresses.end()
                                          );
        known.addresses = std::move(fresh.addresses);
    }
    if (gone && gone_) {
        gone_(name);
    }
}

name_cache::answer name_cache::next(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return next_of(all_[name]);
}

bool name_cache::may_mean(std::string_view name, std::string_view address) const {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(name);
    if (found == all_.end() || found->second.addresses.empty()) {
        return true;
    }
    const auto& all = found->second.addresses;
    return std::find(all.begin(), all.end(), address) != all.end();
}

std::vector<std::string> name_cache::names() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& [name, known] : all_) {
        found.push_back(name);
    }
    return found;
}

std::vector<name_cache::row> name_cache::rows(steady_time now) const {
    const std::lock_guard lock(mutex_);
    std::vector<row> made;
    for (const auto& [name, known] : all_) {
        const auto left = std::chrono::duration_cast<seconds>(known.until - now);
        made.push_back(
            {name,
             std::max(left, seconds(0)),
             known.why ? std::vector<std::string>() : known.addresses}
        );
    }
    return made;
}

std::size_t name_cache::under_way() const {
    const std::lock_guard lock(mutex_);
    return asked_.size();
}

void name_cache::look_up(loop& asker, const std::string& name, callback done) {
    {
        const std::lock_guard lock(mutex_);
        std::vector<waiter>& waiting = asked_[name];
        waiting.push_back({&asker, std::move(done)});
        if (waiting.size() > 1) {
            return;
        }
    }
    try {
        const auto resolver = std::make_shared<tcp::resolver>(asker.context());
        resolver->async_resolve(
            name,
            "",
            [this, resolver, name](error_code ec, const tcp::resolver::results_type& found) {
                answer fresh{{}, ec};
                for (const auto& one : found) {
                    fresh.addresses.push_back(one.endpoint().address().to_string());
                }
                answered(name, std::move(fresh));
            }
        );
    } catch (const boost::system::system_error& e) {
        // The resolver has a thread, which the system may refuse.
        answered(name, {{}, e.code()});
    }
}

void name_cache::get_to_know(loop& asker, const std::string& name) {
    {
        const std::lock_guard lock(mutex_);
        if (all_.find(name) != all_.end()) {
            return;
        }
    }
    look_up(asker, name, {});
}

void name_cache::answered(const std::string& name, answer fresh) {
    learn(name, std::move(fresh), loop::now());
    auto asked = [&] {
        const std::lock_guard lock(mutex_);
        return asked_.extract(name);
    }();
    for (waiter& one : asked.mapped()) {
        if (one.done) {
            one.where->post([this, name, done = std::move(one.done)] { done(next(name)); });
        }
    }
}

}  // namespace pgweir::net
