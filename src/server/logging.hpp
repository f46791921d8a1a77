#pragma once

// Where log lines go: standard error, a file, syslog, as the configuration says. Installs itself as
// the process's sink; thread-safe.

#include "base/log.hpp"
#include "base/result.hpp"
#include "config/settings.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace spdlog {
class logger;
}

namespace pgweir::server {

class logging final : public log::sink {
public:
    enum class console : unsigned char { on, off };

    logging(console to_stderr, int verbosity);
    ~logging() override;

    /// What the settings name, opened anew, so that a file can be rotated. Nothing is written there
    /// before use().
    struct opened {
        std::shared_ptr<spdlog::logger> logger;
        std::unique_ptr<const std::string> syslog_ident;  // null: without syslog
        int syslog_facility = 0;
        int verbosity = 0;
    };

    result<opened> open(const config::settings& settings) const;
    void use(opened&& next);

    /// Both; on a failure everything stays as it was.
    result<void> configure(const config::settings& settings);

    void write(log::level at, std::string_view line) noexcept override;

private:
    const console console_;
    const int verbosity_;
    std::mutex mutex_;                                 // not held while a line is written
    std::shared_ptr<spdlog::logger> logger_;           // under mutex_
    std::unique_ptr<const std::string> syslog_ident_;  // the system's library has a pointer to it
};

}  // namespace pgweir::server
