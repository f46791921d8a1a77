#include "server/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <syslog.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace pgweir::server {

namespace {

constexpr const char* pattern = "%Y-%m-%d %H:%M:%S.%e %z [%P] %^%l%$ %v";

constexpr std::pair<std::string_view, int> facilities[] = {
    {"auth", LOG_AUTH},
    {"authpriv", LOG_AUTHPRIV},
    {"daemon", LOG_DAEMON},
    {"user", LOG_USER},
    {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7},
};

spdlog::level::level_enum level_of(log::level at) {
    switch (at) {
        case log::level::trace:
            return spdlog::level::trace;
        case log::level::debug:
            return spdlog::level::debug;
        case log::level::info:
            return spdlog::level::info;
        case log::level::warning:
            return spdlog::level::warn;
        case log::level::error:
            return spdlog::level::err;
        case log::level::fatal:
            return spdlog::level::critical;
    }
    return spdlog::level::info;
}

int priority_of(spdlog::level::level_enum at) noexcept {
    switch (at) {
        case spdlog::level::trace:
        case spdlog::level::debug:
            return LOG_DEBUG;
        case spdlog::level::warn:
            return LOG_WARNING;
        case spdlog::level::err:
            return LOG_ERR;
        case spdlog::level::critical:
            return LOG_CRIT;
        default:
            return LOG_INFO;
    }
}

/// To the log of the system that the process has opened. (The library's own closes it at its end,
/// when the next one has opened it.)
class syslog_sink final : public spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& line) override {
        ::syslog(
            priority_of(line.level),
            "%.*s",
            static_cast<int>(line.payload.size()),
            line.payload.data()
        );
    }

    void flush_() override {}
};

}  // namespace

logging::logging(console to_stderr, int verbosity) : console_(to_stderr), verbosity_(verbosity) {
    configure(config::settings{}).value();
    log::install(this);
}

logging::~logging() {
    log::install(nullptr);
    ::closelog();
}

result<logging::opened> logging::open(const config::settings& settings) const {
    std::vector<spdlog::sink_ptr> sinks;
    try {
        if (console_ == console::on) {
            sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
        }
        if (!settings.logfile.empty()) {
            sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.logfile));
        }
    } catch (const spdlog::spdlog_ex& e) {
        return failure{std::string("cannot log: ") + e.what()};
    }
    opened next;
    if (settings.syslog) {
        const auto* facility =
            std::find_if(std::begin(facilities), std::end(facilities), [&](const auto& known) {
                return known.first == settings.syslog_facility;
            });
        next.syslog_facility = facility != std::end(facilities) ? facility->second : LOG_DAEMON;
        next.syslog_ident = std::make_unique<const std::string>(settings.syslog_ident);
        sinks.push_back(std::make_shared<syslog_sink>());
    }
    next.logger = std::make_shared<spdlog::logger>("pgweir", sinks.begin(), sinks.end());
    next.logger->set_pattern(pattern);
    next.logger->set_level(spdlog::level::trace);
    next.logger->flush_on(spdlog::level::info);
    next.verbosity = std::max(verbosity_, settings.verbose);
    return next;
}

void logging::use(opened&& next) {
    if (next.syslog_ident != nullptr) {
        const std::string& ident = *next.syslog_ident;
        ::openlog(ident.empty() ? nullptr : ident.c_str(), LOG_PID, next.syslog_facility);
        syslog_ident_ = std::move(next.syslog_ident);  // lines are written meanwhile
    }
    {
        const std::lock_guard lock(mutex_);
        logger_.swap(next.logger);
    }
    log::set_threshold(
        next.verbosity > 1    ? log::level::trace
        : next.verbosity == 1 ? log::level::debug
                              : log::level::info
    );
}

result<void> logging::configure(const config::settings& settings) {
    auto next = open(settings);
    if (!next) {
        return next.error();
    }
    use(std::move(*next));
    return {};
}

void logging::write(log::level at, std::string_view line) noexcept {
    try {
        std::unique_lock lock(mutex_);
        const std::shared_ptr<spdlog::logger> logger = logger_;
        lock.unlock();
        logger->log(level_of(at), spdlog::string_view_t(line.data(), line.size()));
    } catch (...) {
        // A log that cannot be written must not stop the pooler.
    }
}

}  // namespace pgweir::server
