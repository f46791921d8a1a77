#include "server/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

#include <syslog.h>

#include <algorithm>
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

}  // namespace

logging::logging(console to_stderr, int verbosity) : console_(to_stderr), verbosity_(verbosity) {
    configure(config::settings{}).value();
    log::install(this);
}

logging::~logging() {
    log::install(nullptr);
}

result<void> logging::configure(const config::settings& settings) {
    std::vector<spdlog::sink_ptr> sinks;
    try {
        if (console_ == console::on) {
            sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
        }
        if (!settings.logfile.empty()) {
            sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.logfile));
        }
        if (settings.syslog) {
            const auto* facility =
                std::find_if(std::begin(facilities), std::end(facilities), [&](const auto& known) {
                    return known.first == settings.syslog_facility;
                });
            sinks.push_back(std::make_shared<spdlog::sinks::syslog_sink_mt>(
                settings.syslog_ident,
                LOG_PID,
                facility != std::end(facilities) ? facility->second : LOG_DAEMON,
                false
            ));
        }
    } catch (const spdlog::spdlog_ex& e) {
        return failure{std::string("cannot log: ") + e.what()};
    }
    auto fresh = std::make_shared<spdlog::logger>("pgweir", sinks.begin(), sinks.end());
    fresh->set_pattern(pattern);
    fresh->set_level(spdlog::level::trace);
    fresh->flush_on(spdlog::level::info);
    logger_.store(std::move(fresh));
    const int verbosity = std::max(verbosity_, settings.verbose);
    log::set_threshold(
        verbosity > 1    ? log::level::trace
        : verbosity == 1 ? log::level::debug
                         : log::level::info
    );
    return {};
}

void logging::write(log::level at, std::string_view line) noexcept {
    try {
        logger_.load()->log(level_of(at), spdlog::string_view_t(line.data(), line.size()));
    } catch (...) {
        // A log that cannot be written must not stop the pooler.
    }
}

}  // namespace pgweir::server
