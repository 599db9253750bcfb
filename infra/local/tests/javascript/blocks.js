// Snapshots by blocks.
"use strict";

const assert = require("node:assert");
const { createHash } = require("node:crypto");
const { ebs, refused } = require("./caller");

const BLOCK = 512 * 1024;
const digest = (data) => createHash("sha256").update(data).digest();
const block = (letter) => Buffer.alloc(BLOCK, letter);

async function put(aws, SnapshotId, BlockIndex, letter) {
  const BlockData = block(letter);
  const Checksum = digest(BlockData).toString("base64");
  const answer = await aws.call("PutSnapshotBlock", {
    SnapshotId, BlockIndex, BlockData, DataLength: BLOCK, Checksum, ChecksumAlgorithm: "SHA256",
  });
  assert.deepStrictEqual([answer.Checksum, answer.$metadata.httpStatusCode], [Checksum, 201]);
}

async function complete(aws, SnapshotId, letters) {
  const digests = Buffer.concat(letters.map((letter) => digest(block(letter))));
  await aws.call("CompleteSnapshot", {
    SnapshotId, ChangedBlocksCount: letters.length, Checksum: digest(digests).toString("base64"),
    ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR",
  });
  await aws.wait("SnapshotCompleted", { SnapshotIds: [SnapshotId] });
}

async function listed(pages) {
  const found = [];
  for await (const page of pages) found.push(...(page.Blocks ?? page.ChangedBlocks));
  return found;
}

async function data(aws, SnapshotId, { BlockIndex }, BlockToken) {
  const got = await aws.call("GetSnapshotBlock", { SnapshotId, BlockIndex, BlockToken });
  const bytes = Buffer.from(await got.BlockData.transformToByteArray());
  assert.deepStrictEqual([got.DataLength, got.Checksum], [BLOCK, digest(bytes).toString("base64")]);
  assert.ok(bytes.equals(block(bytes.toString("latin1", 0, 1))));
  return bytes.toString("latin1", 0, 1);
}

async function aDiskAndItsNextVersion(aws) {
  const asked = { VolumeSize: 1, ClientToken: "javascript", Tags: [{ Key: "role", Value: "disk" }] };
  const { SnapshotId, BlockSize, StartTime } = await aws.call("StartSnapshot", asked);
  assert.strictEqual(BlockSize, BLOCK);
  assert.ok(Math.abs(StartTime - new Date()) < 3600_000, String(StartTime));
  assert.strictEqual((await aws.call("StartSnapshot", asked)).SnapshotId, SnapshotId);
  await refused("ConflictException", aws.call("StartSnapshot", { ...asked, VolumeSize: 2 }));
  const letters = Array.from({ length: 101 }, (_, index) => String.fromCharCode(97 + (index % 26)));
  for (const [index, letter] of letters.entries()) await put(aws, SnapshotId, 2 * index, letter);
  await complete(aws, SnapshotId, letters);
  const paging = { client: aws.ebs, pageSize: 100 };
  const blocks = await listed(ebs.paginateListSnapshotBlocks(paging, { SnapshotId }));
  assert.deepStrictEqual(blocks.map((one) => one.BlockIndex), letters.map((_, index) => 2 * index));
  assert.strictEqual(await data(aws, SnapshotId, blocks[1], blocks[1].BlockToken), "b");

  const child = (await aws.call("StartSnapshot", { VolumeSize: 1, ParentSnapshotId: SnapshotId })).SnapshotId;
  await put(aws, child, 2, "Z");
  await put(aws, child, 5, "Y");
  await complete(aws, child, ["Z", "Y"]);
  const between = { FirstSnapshotId: SnapshotId, SecondSnapshotId: child };
  const changed = await listed(ebs.paginateListChangedBlocks(paging, between));
  assert.deepStrictEqual(changed.map((one) => one.BlockIndex), [2, 5]);
  assert.strictEqual(await data(aws, SnapshotId, changed[0], changed[0].FirstBlockToken), "b");
  assert.strictEqual(await data(aws, child, changed[0], changed[0].SecondBlockToken), "Z");
  assert.strictEqual(changed[1].FirstBlockToken, undefined);

  const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId: child } }];
  const image = { Name: "disk", RootDeviceName: "/dev/xvda", BlockDeviceMappings };
  const { ImageId } = await aws.call("RegisterImage", image);
  await refused("UnsupportedOperation", aws.launch(ImageId));
  await aws.call("DeregisterImage", { ImageId, DeleteAssociatedSnapshots: true });
  await aws.call("DeleteSnapshot", { SnapshotId });
  await refused("ResourceNotFoundException", aws.call("ListSnapshotBlocks", { SnapshotId: child }));
}

async function whatIsRefused(aws) {
  const invalid = async (reason, call, input) => {
    const error = await refused("ValidationException", aws.call(call, input));
    assert.ok(error instanceof ebs.ValidationException, error.stack);
    assert.strictEqual(error.Reason, reason);
  };
  const missing = await refused(
    "ResourceNotFoundException", aws.call("ListSnapshotBlocks", { SnapshotId: "snap-0123456789abcdef0" }));
  assert.strictEqual(missing.Reason, "SNAPSHOT_NOT_FOUND");
  await invalid("INVALID_VOLUME_SIZE", "StartSnapshot", { VolumeSize: 0 });
  await invalid("INVALID_PARAMETER_VALUE", "StartSnapshot", { VolumeSize: 1, Timeout: 9 });
  const { SnapshotId } = await aws.call("StartSnapshot", { VolumeSize: 1 });
  const wrong = {
    SnapshotId, BlockIndex: 0, BlockData: block("a"), DataLength: BLOCK, ChecksumAlgorithm: "SHA256",
    Checksum: digest("b").toString("base64"),
  };
  await invalid("INVALID_BLOCK", "PutSnapshotBlock", wrong);
  await invalid("INVALID_PARAMETER_VALUE", "PutSnapshotBlock", { ...wrong, DataLength: 1 });
  await invalid("INVALID_PARAMETER_VALUE", "CompleteSnapshot", { SnapshotId, ChangedBlocksCount: 1 });
  await complete(aws, SnapshotId, []);
  const right = { ...wrong, Checksum: digest(block("a")).toString("base64") };
  await invalid("INVALID_SNAPSHOT_ID", "PutSnapshotBlock", right);
  await invalid("INVALID_PARAMETER_VALUE", "ListSnapshotBlocks", { SnapshotId, MaxResults: 10001 });
  await invalid("INVALID_BLOCK_TOKEN", "GetSnapshotBlock", { SnapshotId, BlockIndex: 0, BlockToken: "AAAA" });
  await aws.call("DeleteSnapshot", { SnapshotId });
}

exports.tests = { aDiskAndItsNextVersion, whatIsRefused };
