#pragma once

// Where log lines go: standard error, a file, syslog, as the configuration says. Installs itself as
// the process's sink; thread-safe.

#include "base/log.hpp"
#include "base/result.hpp"
#include "config/settings.hpp"

#include <memory>

namespace spdlog {
class logger;
}

namespace pgweir::server {

class logging final : public log::sink {
public:
    enum class console : unsigned char { on, off };

    logging(console to_stderr, int verbosity);
    ~logging() override;

    /// Opens what the settings name; on a failure everything stays as it was. Called again, it
    /// opens the file anew, so that it can be rotated.
    result<void> configure(const config::settings& settings);

    void write(log::level at, std::string_view line) noexcept override;

private:
    const console console_;
    const int verbosity_;
    std::atomic<std::shared_ptr<spdlog::logger>> logger_;
};

}  // namespace pgweir::server
