// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @title Seasons
/// @notice FOR TESTNETS ONLY: counts the points of community testing, season by season. Points are given by whoever holds
/// `SCORER`, in the season that runs; the admin begins a season, and so ends the one before. Points are never taken.
contract Seasons is AccessControl {
    bytes32 public constant SCORER = keccak256("SCORER");
    /// @notice Most gifts in one call.
    uint256 public constant MAX_GIFTS = 200;

    struct Gift {
        address to;
        uint128 points;
        /// What for, as the season's rules name it.
        bytes32 task;
    }

    struct Total {
        address tester;
        uint256 points;
    }

    /// @notice The season that runs, from 1; zero before the first.
    uint32 public season;
    /// @notice All points of a season.
    mapping(uint32 season => uint256) public pointsOf;
    mapping(uint32 season => mapping(address tester => uint256)) public points;

    mapping(uint32 season => address[]) private _testers;

    event SeasonBegun(uint32 indexed season);
    event Given(uint32 indexed season, address indexed to, bytes32 indexed task, uint256 points);

    error NoSeason();
    error NoPoints(address to);
    error TooManyGifts(uint256 given, uint256 most);

    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @notice Begins the next season. @dev Only the admin.
    function begin() external onlyRole(DEFAULT_ADMIN_ROLE) {
        emit SeasonBegun(++season);
    }

    /// @notice Gives points in the season that runs. @dev Only a scorer.
    function give(Gift[] calldata gifts) external onlyRole(SCORER) {
        uint32 now_ = season;
        require(now_ != 0, NoSeason());
        require(gifts.length <= MAX_GIFTS, TooManyGifts(gifts.length, MAX_GIFTS));
        for (uint256 i = 0; i < gifts.length; i++) {
            Gift calldata gift = gifts[i];
            require(gift.points != 0, NoPoints(gift.to));
            if (points[now_][gift.to] == 0) _testers[now_].push(gift.to);
            points[now_][gift.to] += gift.points;
            pointsOf[now_] += gift.points;
            emit Given(now_, gift.to, gift.task, gift.points);
        }
    }

    /// @notice How many have points in a season.
    function testers(uint32 season_) external view returns (uint256) {
        return _testers[season_].length;
    }

    /// @notice Up to `limit` testers of a season with their points, from place `first` on, in the order of their first points.
    function page(uint32 season_, uint256 first, uint256 limit) external view returns (Total[] memory totals) {
        uint256 size = first < _testers[season_].length ? _testers[season_].length - first : 0;
        totals = new Total[](size < limit ? size : limit);
        for (uint256 i = 0; i < totals.length; i++) {
            address tester = _testers[season_][first + i];
            totals[i] = Total({tester: tester, points: points[season_][tester]});
        }
    }
}
