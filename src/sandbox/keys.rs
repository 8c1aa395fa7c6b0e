//! The key pair by which the service signs in to the stand-in org, made anew for each sandbox.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use pem::{Pem, encode};

/// An RSA key pair in PEM form.
#[derive(Clone)]
pub struct Keys {
    /// PKCS#8, for the service.
    pub private_pem: String,
    /// SPKI, for the org.
    pub public_pem: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// Makes a pair; takes about a tenth of a second.
    pub fn generate() -> Result<Self, Unspecified> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let private: Pkcs8V1Der<'_> = pair.as_der()?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        Ok(Self {
            private_pem: encode(&Pem::new("PRIVATE KEY", private.as_ref())),
            public_pem: encode(&Pem::new("PUBLIC KEY", public.as_ref())),
        })
    }
}
