// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The arithmetic of RV64IM once more, as a circuit would do it: a bit at a time, no operator of the language that
/// adds, shifts by a variable, multiplies, divides or compares. Slow, and nothing in it is shared with what it checks.
library BitByBit {
    uint64 private constant TOP = 1 << 63;

    function add(uint64 a, uint64 b) internal pure returns (uint64 sum) {
        (sum,) = _add(a, b, false);
    }

    function sub(uint64 a, uint64 b) internal pure returns (uint64 difference) {
        (difference,) = _add(a, ~b, true);
    }

    function less(uint64 a, uint64 b) internal pure returns (bool) {
        for (uint64 bit = TOP; bit != 0; bit >>= 1) {
            if (a & bit != b & bit) return b & bit != 0;
        }
        return false;
    }

    function lessSigned(uint64 a, uint64 b) internal pure returns (bool) {
        return less(a ^ TOP, b ^ TOP);
    }

    /// Shifted by one as often as those bits of `amount` say.
    function left(uint64 a, uint64 amount, uint64 bits) internal pure returns (uint64) {
        for (uint64 i; i != amount & bits; ++i) {
            a = a << 1;
        }
        return a;
    }

    function right(uint64 a, uint64 amount, uint64 bits, uint64 fill) internal pure returns (uint64) {
        for (uint64 i; i != amount & bits; ++i) {
            a = a >> 1 | fill & TOP;
        }
        return a;
    }

    /// Bits 63–32 become like bit 31.
    function extend(uint64 a) internal pure returns (uint64) {
        return a & 0x8000_0000 != 0 ? a | 0xffff_ffff_0000_0000 : a & 0xffff_ffff;
    }

    function low(uint64 a) internal pure returns (uint64) {
        return a & 0xffff_ffff;
    }

    function product(uint64 a, uint64 b) internal pure returns (uint64 upper, uint64 lower) {
        bool carry;
        for (uint64 bit = TOP; bit != 0; bit >>= 1) {
            (lower, carry) = _add(lower, lower, false);
            (upper,) = _add(upper, upper, carry);
            if (b & bit == 0) continue;
            (lower, carry) = _add(lower, a, false);
            (upper,) = _add(upper, 0, carry);
        }
    }

    /// High half of the product of two numbers, each taken as signed or not.
    function high(uint64 a, bool signedA, uint64 b, bool signedB) internal pure returns (uint64 upper) {
        bool negativeA = signedA && a & TOP != 0;
        bool negativeB = signedB && b & TOP != 0;
        uint64 lower;
        (upper, lower) = product(negativeA ? negate(a) : a, negativeB ? negate(b) : b);
        if (negativeA != negativeB) (upper,) = _add(~upper, 0, lower == 0);
    }

    function divide(uint64 a, uint64 b) internal pure returns (uint64 quotient, uint64 remainder) {
        if (b == 0) return (type(uint64).max, a);
        for (uint64 bit = TOP; bit != 0; bit >>= 1) {
            bool over;
            (remainder, over) = _add(remainder, remainder, a & bit != 0);
            if (!over && less(remainder, b)) continue;
            remainder = sub(remainder, b);
            quotient |= bit;
        }
    }

    function divideSigned(uint64 a, uint64 b) internal pure returns (uint64 quotient, uint64 remainder) {
        if (b == 0) return (type(uint64).max, a);
        bool negativeA = a & TOP != 0;
        bool negativeB = b & TOP != 0;
        (quotient, remainder) = divide(negativeA ? negate(a) : a, negativeB ? negate(b) : b);
        if (negativeA != negativeB) quotient = negate(quotient);
        if (negativeA) remainder = negate(remainder);
    }

    function negate(uint64 a) internal pure returns (uint64) {
        return sub(0, a);
    }

    function _add(uint64 a, uint64 b, bool carryIn) private pure returns (uint64 sum, bool carry) {
        carry = carryIn;
        uint64 bit = 1;
        for (uint256 i; i < 64; ++i) {
            bool x = a & bit != 0;
            bool y = b & bit != 0;
            if ((x != y) != carry) sum |= bit;
            carry = x && y || carry && (x || y);
            bit <<= 1;
        }
    }
}
