//! What is wrong with a location is told by its status, each fault by its own words and with what to do about it, and without a secret:
//! the server against MinIO, also behind TLS.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bowline_e2e::{Cluster, location};
use serde_json::Value;

use crate::server_refusals::Stage;

/// The password of MinIO, and wrong ones.
const SECRETS: [&str; 2] = ["bowline-secret", "not-the-secret"];

/// MinIO behind TLS.
struct Minio {
    process: Child,
    url: String,
}

impl Drop for Minio {
    fn drop(&mut self) {
        // It has ended already, or it does now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn certificate(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/store/testdata/tls").join(file)
}

impl Minio {
    /// Starts one with the bucket `bowline` that shows this certificate.
    fn start(stage: &Stage, shown: &str) -> Result<Self> {
        let folder = stage.folder.join(shown);
        std::fs::create_dir_all(folder.join("data/bowline"))?;
        std::fs::create_dir_all(folder.join("certificates"))?;
        std::fs::copy(certificate(shown), folder.join("certificates/public.crt"))?;
        std::fs::copy(certificate("key.pem"), folder.join("certificates/private.key"))?;
        // Free again at once, and hardly taken by another within the next moment.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let cluster = stage.bowline.cluster();
        let process = Command::new(Path::new(cluster.setting("BOWLINE_CLUSTER_BIN")?).join("minio"))
            .env("MINIO_ROOT_USER", cluster.setting("AWS_ACCESS_KEY_ID")?)
            .env("MINIO_ROOT_PASSWORD", cluster.setting("AWS_SECRET_ACCESS_KEY")?)
            .env("MINIO_REGION", "minio")
            .env("MINIO_BROWSER", "off")
            .args(["server", "--quiet", "--address", &address.to_string(), "--certs-dir"])
            .args([folder.join("certificates"), folder.join("data")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start MinIO")?;
        let minio = Self { process, url: format!("https://{address}") };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < deadline, "MinIO with {shown} does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(minio)
    }
}

/// A stage with the Secrets `keys` (good), `wrong` (another secret key) and `unknown` (another access key), under `cloud`.
fn stage(purpose: &str) -> Result<Stage> {
    let stage = Stage::new(purpose)?;
    let secret = stage.bowline.cluster().setting("AWS_SECRET_ACCESS_KEY")?;
    location::create_credentials(&stage.bowline, "keys", secret)?;
    location::create_credentials(&stage.bowline, "wrong", SECRETS[1])?;
    let file = format!("cloud=[default]\naws_access_key_id=nobody\naws_secret_access_key={}\n", SECRETS[1]);
    let literal = format!("--from-literal={file}");
    let create = ["-n", stage.bowline.namespace(), "create", "secret", "generic", "unknown", &literal];
    stage.bowline.cluster().kubectl(create)?.ok()?;
    Ok(stage)
}

/// Creates the location and gives its status as soon as the server has judged it. No secret may be in it.
fn judged(stage: &Stage, name: &str, config: &str, flags: &[&str]) -> Result<Value> {
    let create = ["backup-location", "create", name, "--provider", "aws", "--bucket", "bowline"];
    let place = ["--prefix", stage.bowline.namespace(), "--config", config];
    stage.bowline.ok(&[&create[..], &place, flags].concat())?;
    let status = location::judged(&stage.bowline, &stage.server, name)?["status"].clone();
    for secret in SECRETS {
        ensure!(!status.to_string().contains(secret), "{name}: a secret is in {status}");
    }
    Ok(status)
}

fn expect_fault(status: &Value, words: &[&str]) -> Result<()> {
    ensure!(status["phase"] == "Unavailable", "it should not be usable: {status}");
    let message = status["message"].as_str().unwrap_or_default();
    for word in words {
        ensure!(message.contains(word), "{word:?} is not in {message:?}");
    }
    Ok(())
}

fn region(cluster: &Cluster, region: &str) -> Result<String> {
    Ok(format!("region={region},s3ForcePathStyle=true,s3Url={}", cluster.setting("BOWLINE_S3_URL")?))
}

#[test]
fn a_location_says_which_of_keys_region_and_bucket_is_wrong() -> Result<()> {
    let stage = stage("location-faults")?;
    let cluster = stage.bowline.cluster();
    let good = region(cluster, "minio")?;
    let keys = ["--credential", "keys=cloud"];
    let status = judged(&stage, "good", &good, &keys)?;
    ensure!(status["phase"] == "Available", "{status}");
    let wrong = judged(&stage, "wrong-secret", &good, &["--credential", "wrong=cloud"])?;
    expect_fault(&wrong, &["no valid credentials", "secret key does not belong to the access key"])?;
    let unknown = judged(&stage, "wrong-key", &good, &["--credential", "unknown=cloud"])?;
    expect_fault(&unknown, &["no valid credentials", "does not know this access key"])?;
    let elsewhere = judged(&stage, "wrong-region", &region(cluster, "elsewhere")?, &keys)?;
    expect_fault(
        &elsewhere,
        &["not configured correctly", "the region of the bucket bowline is minio", "config.region"],
    )?;
    let none = judged(&stage, "no-keys", &good, &[])?;
    expect_fault(&none, &["no credentials were found", "credential", "aws_access_key_id"])?;
    ensure!(!none.to_string().contains("IMDS"), "{none}");
    let missing = judged(&stage, "no-secret", &good, &["--credential", "keys=nothing"])?;
    expect_fault(&missing, &["\"keys\"", "\"nothing\""])?;
    stage.server.ensure_running()
}

#[test]
fn a_location_says_what_is_wrong_with_a_certificate() -> Result<()> {
    let stage = stage("certificate-faults")?;
    let authority = certificate("ca.pem").display().to_string();
    let trusted = ["--credential", "keys=cloud", "--cacert", &authority];
    let untrusted = &trusted[..2];
    let cases: [(&str, &str, &[&str], &[&str]); 5] = [
        ("good", "good.pem", &trusted, &[]),
        ("unknown", "good.pem", untrusted, &["not trusted", "unknown authority", "caCert"]),
        ("self-signed", "self-signed.pem", untrusted, &["not trusted", "unknown authority", "caCert"]),
        ("expired", "expired.pem", &trusted, &["not trusted", "has expired", "renew"]),
        ("other-name", "other-name.pem", &trusted, &["not trusted", "for another name", "config.s3Url"]),
    ];
    for (name, shown, flags, words) in cases {
        let minio = Minio::start(&stage, shown)?;
        let config = format!("region=minio,s3ForcePathStyle=true,s3Url={}", minio.url);
        let status = judged(&stage, name, &config, flags).context(name)?;
        if words.is_empty() {
            ensure!(status["phase"] == "Available", "{name}: {status}");
        } else {
            expect_fault(&status, words).context(name)?;
        }
    }
    stage.server.ensure_running()
}
