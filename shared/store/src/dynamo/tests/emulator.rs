//! A DynamoDB of the test's own: the emulator on a free port, ended with the test.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use goldsmith_cloud::aws::{sdk_config, with_keys};

use super::super::{DynamoTable, INDEX};

/// The emulator is up in two seconds; a busy machine may take longer.
const STARTS: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);
const TABLE: &str = "goldsmith";

pub(super) struct Emulator {
    process: Child,
    port: u16,
    _temp: tempfile::TempDir,
}

impl Emulator {
    /// None where no Python with the emulator is named, unless the run requires it.
    pub(super) async fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("GOLDSMITH_EMULATOR_PYTHON").map(PathBuf::from) else {
            let is_required = std::env::var("GOLDSMITH_REQUIRE_E2E").is_ok_and(|value| value == "1");
            assert!(!is_required, "GOLDSMITH_EMULATOR_PYTHON is not set");
            println!("SKIPPED (needs the emulator)");
            return None;
        };
        let temp = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let process = Command::new(python)
            .args(["-m", "ministack"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", temp.path())
            .env("HOME", temp.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let mut emulator = Self { process, port, _temp: temp };
        for _ in 0..STARTS {
            if emulator.is_healthy() {
                return Some(emulator);
            }
            let ended = emulator.process.try_wait().expect("its state");
            assert!(ended.is_none(), "the emulator ended: {ended:?}");
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the emulator does not answer");
    }

    /// A new table with the index that Goldsmith's has.
    pub(super) async fn table(&self) -> DynamoTable {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let config = sdk_config(None, Some("eu-west-1"), Some(&endpoint)).await;
        let client = Client::new(&with_keys(&config, "test", "test"));
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .set_key_schema(Some(key_schema("open", "nextLook")))
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()
            .expect("an index");
        client
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(["pk", "sk", "open", "nextLook"].map(text_attribute).into()))
            .set_key_schema(Some(key_schema("pk", "sk")))
            .global_secondary_indexes(index)
            .send()
            .await
            .expect("a table");
        DynamoTable::new(client, TABLE)
    }

    fn is_healthy(&self) -> bool {
        let answer = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            std::io::Result::Ok(answer)
        };
        answer().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text_attribute(name: &str) -> AttributeDefinition {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().expect("an attribute")
}

fn key_schema(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key"))
        .into()
}
