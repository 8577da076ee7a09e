// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title BLS12-381 signatures on the precompiles of EIP-2537.
/// @notice Keys in G1, signatures in G2, suite BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ (what blst and Ethereum sign with).
/// @dev Points are in the form of EIP-2537: 64 bytes per field element, the upper 16 zero, c0 before c1; 4 words for G1, 8 for G2.
/// The precompiles refuse any other encoding, points off the curve and, in pairings and MSMs, points outside the subgroup:
/// every point of a stranger passes through one of those. The identity (all zero) they accept, so `isIdentity` is checked here.
///
/// Cost of `verify` (Prague): two MAP_FP2_TO_G2 47,600 + pairing 102,900 + about 4,000 for hashing and copying.
library BLS12381 {
    uint256 private constant SHA256 = 0x02;
    uint256 private constant MODEXP = 0x05;
    uint256 private constant G1_ADD = 0x0b;
    uint256 private constant G1_MSM = 0x0c;
    uint256 private constant G2_ADD = 0x0d;
    uint256 private constant G2_MSM = 0x0e;
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant MAP_FP2_TO_G2 = 0x11;

    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    /// The generator of G1 and the y of its negative.
    bytes32 private constant G_X_HIGH = 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f;
    bytes32 private constant G_X_LOW = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb;
    bytes32 private constant G_NEGATIVE_Y_HIGH = 0x00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f2;
    bytes32 private constant G_NEGATIVE_Y_LOW = 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca;
    /// The domain separation tag, 43 bytes, and its length: "BLS_SIG_BLS12381G2_XMD:SHA-256_S" and "SWU_RO_POP_" 0x2b.
    bytes32 private constant DST_HEAD = "BLS_SIG_BLS12381G2_XMD:SHA-256_S";
    bytes32 private constant DST_TAIL = "SWU_RO_POP_+";

    /// A precompile answered with failure: bad input, too little gas, or a chain without it.
    error PrecompileFailed(uint256 precompile);

    /// @notice hash_to_curve of RFC 9380 for a 32-byte message.
    function hashToG2(bytes32 message) internal view returns (bytes32[8] memory point) {
        bool ok;
        assembly ("memory-safe") {
            // Scratch beyond the free pointer: [0, 0x100) uniform bytes, [0x100, 0x200) input of the map,
            // [0x200, 0x400) both mapped points, [0x400, 0x500) work.
            let base := mload(0x40)
            let work := add(base, 0x400)
            // b0 = H(Z_pad || message || I2OSP(256, 2) || 0 || DST_prime)
            mstore(work, 0)
            mstore(add(work, 0x20), 0)
            mstore(add(work, 0x40), message)
            mstore(add(work, 0x60), shl(232, 0x010000))
            mstore(add(work, 99), DST_HEAD)
            mstore(add(work, 131), DST_TAIL)
            ok := staticcall(gas(), SHA256, work, 143, work, 0x20)
            let b0 := mload(work)
            // b1 = H(b0 || 1 || DST_prime), b_i = H((b0 xor b_{i-1}) || i || DST_prime)
            mstore(add(work, 33), DST_HEAD)
            mstore(add(work, 65), DST_TAIL)
            let previous := 0
            for { let i := 1 } lt(i, 9) { i := add(i, 1) } {
                mstore(work, xor(b0, previous))
                mstore8(add(work, 0x20), i)
                let out := add(base, shl(5, sub(i, 1)))
                ok := and(ok, staticcall(gas(), SHA256, work, 77, out, 0x20))
                previous := mload(out)
            }
            // Each 64-byte quarter modulo p, by MODEXP with exponent 1: length 64, 1, 48.
            mstore(work, 64)
            mstore(add(work, 0x20), 1)
            mstore(add(work, 0x40), 48)
            mstore8(add(work, 0xa0), 1)
            mstore(add(work, 0xa1), shl(128, P_HIGH))
            mstore(add(work, 0xb1), P_LOW)
            let fields := add(base, 0x100)
            for { let i := 0 } lt(i, 4) { i := add(i, 1) } {
                let from := add(base, shl(6, i))
                mstore(add(work, 0x60), mload(from))
                mstore(add(work, 0x80), mload(add(from, 0x20)))
                let to := add(fields, shl(6, i))
                mstore(to, 0)
                ok := and(ok, staticcall(gas(), MODEXP, work, 0xd1, add(to, 16), 48))
            }
            ok := and(ok, staticcall(gas(), MAP_FP2_TO_G2, fields, 0x80, add(base, 0x200), 0x100))
            ok := and(ok, staticcall(gas(), MAP_FP2_TO_G2, add(fields, 0x80), 0x80, add(base, 0x300), 0x100))
            ok := and(ok, staticcall(gas(), G2_ADD, add(base, 0x200), 0x200, point, 0x100))
        }
        if (!ok) revert PrecompileFailed(MAP_FP2_TO_G2);
    }

    /// @return valid whether `signature` is `key`'s on `message`. False also for points that are none, and when the pairing runs
    /// out of gas: a caller that turns false into anything but a revert must guard its gas.
    function verify(bytes32[4] memory key, bytes32 message, bytes32[8] memory signature)
        internal
        view
        returns (bool valid)
    {
        if (isIdentity(key) || isIdentity(signature)) return false;
        bytes32[8] memory hashed = hashToG2(message);
        assembly ("memory-safe") {
            // e(key, H(m)) · e(-G, signature) = 1
            let input := mload(0x40)
            mcopy(input, key, 0x80)
            mcopy(add(input, 0x80), hashed, 0x100)
            mstore(add(input, 0x180), G_X_HIGH)
            mstore(add(input, 0x1a0), G_X_LOW)
            mstore(add(input, 0x1c0), G_NEGATIVE_Y_HIGH)
            mstore(add(input, 0x1e0), G_NEGATIVE_Y_LOW)
            mcopy(add(input, 0x200), signature, 0x100)
            mstore(0, 0)
            let ok := staticcall(gas(), PAIRING, input, 0x300, 0, 0x20)
            valid := and(ok, eq(mload(0), 1))
        }
    }

    /// @notice Sum of two points of G1. Subgroup membership is not checked: only stored keys, which proved it, are added.
    function add(bytes32[4] memory a, bytes32[4] memory b) internal view returns (bytes32[4] memory sum) {
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mcopy(input, a, 0x80)
            mcopy(add(input, 0x80), b, 0x80)
            ok := staticcall(gas(), G1_ADD, input, 0x100, sum, 0x80)
        }
        if (!ok) revert PrecompileFailed(G1_ADD);
    }

    /// @notice `a - b` in G1.
    function subtract(bytes32[4] memory a, bytes32[4] memory b) internal view returns (bytes32[4] memory) {
        if (isIdentity(b)) return a;
        // p - y over two words; y < p because the point came from a precompile, and y != 0 in a group of odd order.
        uint256 low = uint256(b[3]);
        uint256 high = uint256(b[2]);
        bytes32[4] memory negative = [b[0], b[1], bytes32(0), bytes32(0)];
        unchecked {
            negative[3] = bytes32(P_LOW - low);
            negative[2] = bytes32(P_HIGH - high - (low > P_LOW ? 1 : 0));
        }
        return add(a, negative);
    }

    /// @notice `Σ scalar_i · point_i` in G1. `input` holds (point 128 bytes, scalar 32 bytes) in turn. Checks the subgroup.
    function g1Msm(bytes memory input) internal view returns (bytes32[4] memory sum) {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), G1_MSM, add(input, 0x20), mload(input), sum, 0x80)
        }
        if (!ok) revert PrecompileFailed(G1_MSM);
    }

    /// @notice `Σ scalar_i · point_i` in G2. `input` holds (point 256 bytes, scalar 32 bytes) in turn. Checks the subgroup.
    function g2Msm(bytes memory input) internal view returns (bytes32[8] memory sum) {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), G2_MSM, add(input, 0x20), mload(input), sum, 0x100)
        }
        if (!ok) revert PrecompileFailed(G2_MSM);
    }

    function isIdentity(bytes32[4] memory point) internal pure returns (bool) {
        return point[0] | point[1] | point[2] | point[3] == 0;
    }

    function isIdentity(bytes32[8] memory p) internal pure returns (bool) {
        return p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7] == 0;
    }

    /// @notice Reverts on a chain without the precompiles: -G + G must be the identity and e(G, H) · e(-G, H) one.
    function probe() internal view {
        bytes32[4] memory negative = [G_X_HIGH, G_X_LOW, G_NEGATIVE_Y_HIGH, G_NEGATIVE_Y_LOW];
        bytes32[4] memory zero;
        bytes32[4] memory generator = subtract(zero, negative);
        if (isIdentity(generator)) revert PrecompileFailed(G1_ADD);
        // A signature of the secret key 1 is the hash itself.
        if (!verify(generator, bytes32(0), hashToG2(bytes32(0)))) revert PrecompileFailed(PAIRING);
    }
}
