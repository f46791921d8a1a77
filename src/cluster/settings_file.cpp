#include "cluster/settings_file.hpp"

#include "config/file.hpp"
#include "config/ini_reader.hpp"

#include <string>

namespace pgweir::cluster {

namespace {

class collector final : public config::ini_visitor {
public:
    result<void> section(std::string_view, config::location) override { return {}; }

    result<void> entry(
        std::string_view section, std::string_view name, std::string_view value, config::location at
    ) override {
        entries.push_back(
            {std::string(section),
             std::string(name),
             std::string(value),
             std::string(at.file),
             static_cast<std::uint32_t>(at.line)}
        );
        return {};
    }

    std::vector<setting_entry> entries;
};

}  // namespace

result<std::vector<setting_entry>> read_settings_file(const std::filesystem::path& file) {
    collector found;
    if (const auto read = config::read_ini(file.string(), config::read_file, found); !read) {
        return read.error();
    }
    return std::move(found.entries);
}

}  // namespace pgweir::cluster
