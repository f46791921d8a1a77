#pragma once

// Certificates made on the spot, in a folder that goes with the object: an authority, and what it
// has signed.

#include "net/tls_context.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace pgweir::test {

struct certificate_files {
    std::string certificate;
    std::string key;
};

class authority {
public:
    authority() {
        std::string name = std::filesystem::temp_directory_path() / "pgweir-tls-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("mkdtemp");
        }
        folder_ = name;
        key_.reset(EVP_EC_gen("P-256"));
        certificate_ = make("authority", "", *key_, nullptr);
        write("ca.crt", certificate_.get(), nullptr);
    }

    ~authority() { std::filesystem::remove_all(folder_); }

    authority(const authority&) = delete;
    authority& operator=(const authority&) = delete;

    /// The authority's own certificate.
    std::string file() const { return folder_ + "/ca.crt"; }

    /// `names` as in a configuration of OpenSSL: "DNS:localhost,IP:127.0.0.1", or nothing.
    certificate_files issue(const std::string& common_name, const std::string& names = "") {
        const key_ptr key(EVP_EC_gen("P-256"));
        const x509_ptr made = make(common_name, names, *key, certificate_.get());
        const std::string base = std::to_string(++count_);
        write(base + ".crt", made.get(), nullptr);
        write(base + ".key", nullptr, key.get());
        return {folder_ + "/" + base + ".crt", folder_ + "/" + base + ".key"};
    }

private:
    struct deleter {
        void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }

        void operator()(X509* p) const noexcept { X509_free(p); }
    };

    using key_ptr = std::unique_ptr<EVP_PKEY, deleter>;
    using x509_ptr = std::unique_ptr<X509, deleter>;

    x509_ptr make(
        const std::string& common_name, const std::string& names, EVP_PKEY& key, X509* issuer
    ) {
        x509_ptr made(X509_new());
        X509_set_version(made.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), 24 * 3600);
        X509_set_pubkey(made.get(), &key);
        X509_NAME_add_entry_by_txt(
            X509_get_subject_name(made.get()),
            "CN",
            MBSTRING_UTF8,
            reinterpret_cast<const unsigned char*>(common_name.data()),
            static_cast<int>(common_name.size()),
            -1,
            0
        );
        X509_set_issuer_name(
            made.get(), X509_get_subject_name(issuer != nullptr ? issuer : made.get())
        );
        extend(made.get(), NID_basic_constraints, issuer != nullptr ? "CA:FALSE" : "CA:TRUE");
        if (!names.empty()) {
            extend(made.get(), NID_subject_alt_name, names.c_str());
        }
        X509_sign(made.get(), key_.get(), EVP_sha256());
        return made;
    }

    static void extend(X509* to, int what, const char* value) {
        X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
        X509_add_ext(to, made, -1);
        X509_EXTENSION_free(made);
    }

    void write(const std::string& name, X509* certificate, EVP_PKEY* key) const {
        std::FILE* file = std::fopen((folder_ + "/" + name).c_str(), "w");
        if (file == nullptr) {
            throw std::runtime_error("cannot write " + name);
        }
        if (certificate != nullptr) {
            PEM_write_X509(file, certificate);
        } else {
            PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        }
        std::fclose(file);
    }

    std::string folder_;
    key_ptr key_;
    x509_ptr certificate_;
    int serial_ = 0;
    int count_ = 0;
};

/// What settings are called in messages.
inline constexpr net::tls_setting_names tls_names{
    "key_file", "cert_file", "ca_file", "protocols", "ciphers", "tls13_ciphers", "curve", "dhe"};

/// Settings of a server with this certificate.
inline net::tls_settings serving(const certificate_files& files) {
    net::tls_settings from;
    from.cert_file = files.certificate;
    from.key_file = files.key;
    return from;
}

}  // namespace pgweir::test
