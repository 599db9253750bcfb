//! The inputs of each action.

use goldsmith_document::Module;
use serde_json::{Value, json};

use super::shape::{flag, list, map, part, text, word};

/// Returns the schema of a step's `inputs`, and whether they are required.
pub(super) fn inputs(module: Module) -> (Value, bool) {
    match module {
        Module::Assert => (part("expression"), true),
        Module::ExecuteBash => (map([("commands!", list(text(), 1))]), true),
        Module::ExecuteBinary => (map([("path!", text()), ("arguments", list(text(), 0))]), true),
        Module::ExecuteDocument => (document(), true),
        Module::ExecutePowerShell => (map([("commands", list(text(), 1)), ("file", text())]), true),
        Module::InstallMsi | Module::UninstallMsi => (msi(), true),
        Module::Reboot => (map([("delaySeconds", text())]), false),
        Module::UpdateOs => (map([("include", list(text(), 0)), ("exclude", list(text(), 0))]), false),
        _ => (list(element(module), 1), true),
    }
}

/// Returns the schema of one element, for actions that take a list.
fn element(module: Module) -> Value {
    match module {
        Module::AppendFile => map([("path!", text()), ("content", text()), ("encoding", text())]),
        Module::CreateFile => map([
            ("path!", text()),
            ("content", text()),
            ("encoding", text()),
            ("owner", text()),
            ("group", text()),
            ("permissions", text()),
            ("overwrite", setting()),
        ]),
        Module::CreateFolder => map([
            ("path!", text()),
            ("owner", text()),
            ("group", text()),
            ("permissions", text()),
            ("overwrite", setting()),
        ]),
        Module::CreateSymlink => map([("path!", text()), ("target!", text()), ("force", setting())]),
        Module::DeleteFile => map([("path!", text())]),
        Module::DeleteFolder => map([("path!", text()), ("force", setting())]),
        Module::ListFiles => map([("path!", text()), ("fileNamePattern", text()), ("recursive", setting())]),
        Module::ReadFile => map([("path!", text()), ("encoding", text()), ("printFileContent", setting())]),
        Module::SetFileEncoding => map([("path!", text()), ("encoding", text())]),
        Module::SetFileOwner => map([("path!", text()), ("owner!", text()), ("group", text())]),
        Module::SetFolderOwner => {
            map([("path!", text()), ("owner!", text()), ("group", text()), ("recursive", setting())])
        }
        Module::SetFilePermissions => map([("path!", text()), ("permissions!", text())]),
        Module::SetFolderPermissions => map([("path!", text()), ("permissions!", text()), ("recursive", setting())]),
        Module::SetRegistry => map([
            ("path!", text()),
            ("name!", text()),
            ("value!", json!({"anyOf": [text(), list(text(), 0)]})),
            ("type!", text()),
        ]),
        _ => transfer(module),
    }
}

/// Returns the schema of one element, for actions that transfer something from one place to another.
fn transfer(module: Module) -> Value {
    match module {
        Module::S3Download => map([
            ("source!", text()),
            ("destination!", text()),
            ("expectedBucketOwner", text()),
            ("overwrite", setting()),
        ]),
        Module::S3Upload => map([
            ("source!", text()),
            ("destination!", text()),
            ("recurse", setting()),
            ("expectedBucketOwner", text()),
        ]),
        Module::WebDownload => map([
            ("source!", text()),
            ("destination!", text()),
            ("overwrite", setting()),
            ("checksum", text()),
            ("algorithm", text()),
            ("ignoreCertificateErrors", setting()),
        ]),
        _ => map([("source!", text()), ("destination!", text()), ("overwrite", setting())]),
    }
}

/// Returns the schema of `true`, `false` or a reference.
fn setting() -> Value {
    json!({"anyOf": [flag(), {"type": "string", "pattern": "\\{\\{"}]})
}

fn document() -> Value {
    let parameter = map([("name!", text()), ("value!", text())]);
    map([
        ("document!", text()),
        ("document-s3-bucket-owner", text()),
        ("phases", text()),
        ("parameters", list(parameter, 0)),
    ])
}

fn msi() -> Value {
    map([
        ("path!", text()),
        ("reboot", word(["Allow", "Force", "Skip"])),
        ("logOptions", text()),
        ("logFile", text()),
        ("properties", json!({"type": "object", "additionalProperties": text()})),
        ("ignoreAuthenticodeSignatureErrors", setting()),
        ("allowUnsignedInstaller", setting()),
    ])
}
