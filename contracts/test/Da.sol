// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DAChallenges} from "../src/da/DAChallenges.sol";
import {DAEntrance} from "../src/da/DAEntrance.sol";
import {DARegistry} from "../src/da/DARegistry.sol";
import {IDARegistry} from "../src/interfaces/IDARegistry.sol";
import {Batch, BlobHeader, Certificate, DaParameters} from "../src/interfaces/DaTypes.sol";
import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {Certificates} from "../src/libraries/Certificates.sol";
import {RowAssignment} from "../src/libraries/RowAssignment.sol";
import {StakeVault} from "../src/staking/StakeVault.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {vm} from "./Vm.sol";

/// Reads calldata structs for tests.
contract Hasher {
    function batchHash(Batch calldata batch) external pure returns (bytes32) {
        return Certificates.batchHash(batch);
    }

    function attestMessage(Batch calldata batch, address entrance) external view returns (bytes32) {
        return Certificates.attestMessage(batch, entrance);
    }
}

/// The four contracts with devnet parameters, operators that sign inside the EVM, and epochs driven block by block.
abstract contract Da {
    uint256 internal constant GENESIS = 1000;
    uint256 internal constant ACCOUNT_KEY = 0xACC;
    address internal constant ADMIN = address(0xAD);
    address internal constant TREASURY = address(0x77EA);
    address internal constant DISPERSER = address(0xD15);
    uint64 internal constant PRICE = 1000;

    StakeVault internal vault;
    DARegistry internal registry;
    DAEntrance internal entrance;
    DAChallenges internal challenges;
    Hasher internal hasher = new Hasher();
    address internal account;
    /// Operators in the order of registration; operator i has secret i + 7.
    address[] internal operators;
    bytes32 internal lastSeed;
    uint256 internal blockNow;

    function parameters() internal pure virtual returns (DaParameters memory) {
        return DaParameters({
            epochBlocks: 30,
            lookaheadBlocks: 12,
            seedDelayBlocks: 2,
            revealWindowBlocks: 8,
            confirmBlocks: 30,
            responseBlocks: 30,
            correlationEpochs: 1,
            retentionSeconds: 600,
            blockSeconds: 1,
            effectivePerQuorum: 512,
            maxOperators: 128,
            minMembers: 3,
            voteUnit: 1 ether,
            minBond: 0.001 ether,
            isSingleQuorum: false
        });
    }

    function stakes() internal pure virtual returns (uint256[] memory list) {
        list = new uint256[](7);
        (list[0], list[1], list[2], list[3]) = (1000, 700, 500, 400);
        (list[4], list[5], list[6]) = (250, 100, 50);
    }

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        roll(GENESIS);
        deployDa();
        account = vm.addr(ACCOUNT_KEY);
        vm.deal(account, 1000 ether);
        vm.prank(account);
        entrance.deposit{value: 10 ether}(account);
        uint256[] memory list = stakes();
        for (uint256 i = 0; i < list.length; ++i) addOperator(list[i]);
    }

    function deployDa() internal {
        DaParameters memory p = parameters();
        uint256 nonce = vm.getNonce(address(this));
        address registryAt = vm.computeCreateAddress(address(this), nonce + 1);
        address challengesAt = vm.computeCreateAddress(address(this), nonce + 3);
        address[] memory services = new address[](1);
        services[0] = registryAt;
        IStakeVault.Service[] memory settings = new IStakeVault.Service[](1);
        settings[0] = IStakeVault.Service(challengesAt, 6000, 0);
        vault = StakeVault(
            create("StakeVault", abi.encode(900, 792, 1 ether, 30, services, settings, ADMIN, 1 days))
        );
        registry = DARegistry(create("DARegistry", abi.encode(p, vault, challengesAt)));
        entrance = DAEntrance(
            create("DAEntrance", abi.encode(p, PRICE, registryAt, challengesAt, TREASURY, ADMIN, 1 days))
        );
        challenges = DAChallenges(create("DAChallenges", abi.encode(p, vault, registryAt, entrance)));
        require(address(registry) == registryAt && address(challenges) == challengesAt, "wiring");
    }

    /// From the artifact: a test contract that held the four contracts' code would be compiled with each of them again.
    function create(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code = bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        require(deployed != address(0), "deployment failed");
    }

    /* ------------------------------------------------------ time ------------------------------------------------------- */

    /// One second per block.
    function roll(uint256 number) internal {
        if (blockNow != 0 && number > blockNow) vm.warp(vm.getBlockTimestamp() + number - blockNow);
        vm.roll(number);
        blockNow = number;
    }

    /* ---------------------------------------------------- operators ---------------------------------------------------- */

    function addOperator(uint256 stake) internal returns (address operator) {
        uint256 index = operators.length;
        operator = address(uint160(0x0123_0000 + index));
        operators.push(operator);
        vm.deal(operator, stake * 1 ether + 10 ether);
        vm.startPrank(operator);
        vault.deposit{value: stake * 1 ether}(operator);
        vault.optIn(address(registry));
        vm.stopPrank();
        registerKey(operator, secretOf(index));
        vm.prank(operator);
        registry.activate(address(0));
    }

    function secretOf(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("secret", index))) >> 4;
    }

    function registerKey(address operator, uint256 secret) internal {
        bytes32[4] memory key = BlsSigner.publicKey(secret);
        bytes32[8] memory possession = BlsSigner.sign(secret, registry.popMessage(operator, key));
        vm.prank(operator);
        registry.register(key, possession, "127.0.0.1:34000");
    }

    /* ------------------------------------------------------ epochs ----------------------------------------------------- */

    /// A header whose item 13 is `mix`, of the shape of a Prague header.
    function headerWith(bytes32 mix) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            hex"a0", bytes32(uint256(1)), hex"a0", bytes32(uint256(2)), hex"94", address(3), hex"a0", bytes32(uint256(4))
        );
        head = abi.encodePacked(head, hex"a0", bytes32(uint256(5)), hex"a0", bytes32(uint256(6)), hex"b90100", new bytes(256));
        head = abi.encodePacked(head, hex"80", hex"8203e8", hex"8401c9c380", hex"80", hex"84688ccf11", hex"80");
        head = abi.encodePacked(head, hex"a0", mix, hex"880000000000000000", hex"07");
        return abi.encodePacked(hex"f9", uint16(head.length), head);
    }

    function mixHash(uint256 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode("mix", epoch));
    }

    /// Rolls to the window of `epoch` and captures its seed.
    function openWindow(uint256 epoch) internal returns (bytes32 seed) {
        uint256 seedBlock = registry.snapshotBlock(epoch) + parameters().seedDelayBlocks;
        roll(seedBlock + 1);
        bytes memory header = headerWith(mixHash(epoch));
        vm.setBlockhash(seedBlock, keccak256(header));
        registry.captureSeed(epoch, header);
        seed = registry.epochOf(epoch).seed;
        lastSeed = seed;
    }

    function revealOne(uint256 epoch, uint256 index) internal {
        registry.reveal(epoch, lastSeed, operators[index], revealOf(epoch, index));
    }

    function revealOf(uint256 epoch, uint256 index) internal view returns (bytes32[8] memory) {
        return BlsSigner.sign(secretOf(index), registry.vrfMessage(epoch, lastSeed));
    }

    /// Seed, everybody's reveal, then the start of the epoch.
    function openEpoch(uint256 epoch) internal {
        openWindow(epoch);
        for (uint256 i = 0; i < operators.length; ++i) revealOne(epoch, i);
        roll(registry.epochStart(epoch));
    }

    /* ------------------------------------------------------ batches ---------------------------------------------------- */

    function headerFor(uint256 nonce, bytes32 commitment, uint32 length) internal view returns (BlobHeader memory header) {
        header.version = 0x11;
        header.shape = 0;
        header.length = length;
        header.rowSize = uint32(RowAssignment.rowBytes(0, length));
        header.commitment = commitment;
        header.account = account;
        header.disperser = DISPERSER;
        header.nonce = nonce;
        header.epoch = uint32(registry.epochAt(blockNow));
        header.quorum = 0;
        header.expiry = uint64(vm.getBlockTimestamp() + 600);
        header.maxFee = 1 ether;
    }

    function authorize(BlobHeader memory header) internal returns (bytes memory) {
        return authorizeWith(header, ACCOUNT_KEY);
    }

    function authorizeWith(BlobHeader memory header, uint256 key) internal returns (bytes memory) {
        bytes32 typeHash = keccak256(
            "BlobHeader(uint8 version,uint8 shape,uint32 length,uint32 rowSize,bytes32 commitment,address account,address disperser,uint256 nonce,uint32 epoch,uint16 quorum,uint64 expiry,uint256 maxFee)"
        );
        bytes32 digest = keccak256(
            abi.encodePacked(hex"1901", entrance.domainSeparator(), keccak256(abi.encode(typeHash, header)))
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    struct Sealed {
        Certificate certificate;
        BlobHeader[] headers;
        bytes[] authorizations;
        bytes32[] keys;
    }

    /// A batch of `count` fresh blobs that everybody but `absentees` signed, ready for confirmBatch in the next block.
    function sealBatch(uint256 count, uint256 nonce, uint16[] memory absentees) internal returns (Sealed memory out) {
        BlobHeader[] memory headers = new BlobHeader[](count);
        for (uint256 i = 0; i < count; ++i) {
            headers[i] = headerFor(nonce + i, keccak256(abi.encode("commitment", nonce + i)), 100_000);
        }
        return sealHeaders(headers, absentees);
    }

    function sealHeaders(BlobHeader[] memory headers, uint16[] memory absentees) internal returns (Sealed memory out) {
        uint256 count = headers.length;
        out.headers = headers;
        out.authorizations = new bytes[](count);
        out.keys = new bytes32[](count);
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            out.authorizations[i] = authorize(headers[i]);
            out.keys[i] = entrance.blobKeyOf(headers[i]);
            level[i] = out.keys[i];
        }
        Batch memory batch = Batch({
            epoch: uint32(servingEpoch()),
            quorum: headers[0].quorum,
            referenceBlock: uint64(blockNow),
            expiry: headers[0].expiry,
            blobs: uint32(count),
            root: Certificates.root(level)
        });
        out.certificate = certify(batch, absentees);
        roll(blockNow + 1);
    }

    function servingEpoch() internal view virtual returns (uint256) {
        return registry.epochAt(blockNow);
    }

    function certify(Batch memory batch, uint16[] memory absentees) internal view returns (Certificate memory) {
        bytes32 message = hasher.attestMessage(batch, address(entrance));
        return Certificate(batch, BlsSigner.signTogether(presentSecrets(batch.epoch, batch.quorum, absentees), message), absentees);
    }

    function presentSecrets(uint256 epoch, uint256 quorum, uint16[] memory absentees)
        internal
        view
        returns (uint256[] memory secrets)
    {
        uint256 count = registry.memberCount(epoch, quorum);
        secrets = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            bool isAbsent = false;
            for (uint256 j = 0; j < absentees.length; ++j) isAbsent = isAbsent || absentees[j] == i;
            if (!isAbsent) secrets[i] = secretOf(indexOf(registry.memberOf(epoch, quorum, i).operator));
        }
    }

    function indexOf(address operator) internal view returns (uint256) {
        for (uint256 i = 0; i < operators.length; ++i) if (operators[i] == operator) return i;
        revert("unknown operator");
    }

    function confirm(Sealed memory batch) internal {
        entrance.confirmBatch(batch.certificate, batch.headers, batch.authorizations);
    }

    function none() internal pure returns (uint16[] memory) {
        return new uint16[](0);
    }

    function only(uint16 member) internal pure returns (uint16[] memory list) {
        list = new uint16[](1);
        list[0] = member;
    }

    function two(uint16 a, uint16 b) internal pure returns (uint16[] memory list) {
        list = new uint16[](2);
        (list[0], list[1]) = (a, b);
    }

    /// Bytes of a lookup for blob `index` of a batch.
    function lookup(Batch memory batch, BlobHeader memory header, uint256 index, bytes32[] memory siblings)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(abi.encode(uint256(1), batch, header, index), siblings);
    }
}
